"""A model hub for one test: repositories in memory, behind the routes that huggingface_hub calls."""

import base64
import contextlib
import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

TOKEN = "hf_secret"
USER = "user"


class Hub(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.repositories = {}  # name -> branch -> list of commits, each a dict of file names and contents
        self.created = []  # what was asked for
        self.messages = []
        self.sent = []  # names of files whose content was downloaded
        self.endpoint = f"http://127.0.0.1:{self.server_port}"

    def commit(self, name, branch, files, message=""):
        """Add files to a branch; returns the hash of the commit."""
        commits = self.repositories[name].setdefault(branch, [])
        commits.append({**(commits[-1] if commits else {}), **files})
        self.messages.append(message)
        return self.hash_of(name, branch, len(commits) - 1)

    def hash_of(self, name, branch, number):
        return hashlib.sha1(f"{name} {branch} {number}".encode()).hexdigest()

    def find(self, name, revision):
        """Hash and files of a branch's last commit, or of a commit."""
        for branch, commits in self.repositories[name].items():
            for number, files in enumerate(commits):
                oid = self.hash_of(name, branch, number)
                if revision == oid or (revision == branch and number == len(commits) - 1):
                    return oid, files
        return None


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def answer(self, status, content, head=False, **headers):
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if not head:
            self.wfile.write(body)

    def do_POST(self):
        hub = self.server
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path = [unquote(part) for part in urlsplit(self.path).path.strip("/").split("/")]
        if path == ["api", "validate-yaml"]:
            bad = "license: not a licence" in json.loads(body)["content"]
            errors = [{"message": '"license" must be one of [apache-2.0, mit]'}] if bad else []
            return self.answer(400 if bad else 200, {"errors": errors, "warnings": []})
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            return self.answer(401, {"error": "Invalid username or password."})
        if path == ["api", "repos", "create"]:
            asked = json.loads(body)
            name = f"{asked['organization'] or USER}/{asked['name']}"
            hub.created.append(asked)
            there = name in hub.repositories
            hub.repositories.setdefault(name, {"main": [{".gitattributes": b""}]})
            return self.answer(409 if there else 200, {"url": f"{hub.endpoint}/{name}", "name": name})
        name, what, branch = "/".join(path[2:4]), path[4], path[5]
        if what == "branch":
            commits = hub.repositories[name]
            there = branch in commits
            commits.setdefault(branch, [commits["main"][-1]])
            return self.answer(409 if there else 200, {})
        if what == "preupload":
            files = [{**file, "uploadMode": "regular", "shouldIgnore": False} for file in json.loads(body)["files"]]
            return self.answer(200, {"files": files})
        lines = [json.loads(line) for line in body.splitlines()]
        files = {
            line["value"]["path"]: base64.b64decode(line["value"]["content"]) for line in lines if line["key"] == "file"
        }
        (summary,) = (line["value"]["summary"] for line in lines if line["key"] == "header")
        oid = hub.commit(name, branch, files, summary)
        url = f"{hub.endpoint}/{name}/commit/{oid}"
        return self.answer(200, {"success": True, "commitOid": oid, "commitUrl": url})

    def do_HEAD(self):
        self.do_GET(head=True)

    def do_GET(self, head=False):
        if self.path.startswith("/api/"):
            return self.answer(401, {"error": "Invalid username or password."}, head)
        owner, repository, _, revision, file = [unquote(part) for part in urlsplit(self.path).path[1:].split("/")]
        name = f"{owner}/{repository}"
        if name not in self.server.repositories:
            return self.answer(404, b"", head, X_Error_Code="RepoNotFound")
        found = self.server.find(name, revision)
        if found is None:
            return self.answer(404, b"", head, X_Error_Code="RevisionNotFound")
        oid, files = found
        if file not in files:
            return self.answer(404, b"", head, X_Error_Code="EntryNotFound", X_Repo_Commit=oid)
        if not head:
            self.server.sent.append(file)
        etag = f'"{hashlib.sha256(files[file]).hexdigest()}"'
        return self.answer(200, files[file], head, ETag=etag, X_Repo_Commit=oid)


@contextlib.contextmanager
def running():
    """Run a hub beside the test."""
    with Hub() as hub:
        thread = threading.Thread(target=hub.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield hub
        finally:
            hub.shutdown()
            thread.join()
