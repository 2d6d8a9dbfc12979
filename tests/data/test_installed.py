import shutil

from ganaug.data.installed import entry_points


def register(folder, package):
    info = folder / f"{package}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[of.tests]\n{package} = json:loads\n")


def test_what_is_installed_and_removed_while_it_runs_is_noticed(tmp_path, monkeypatch):
    found = [list(entry_points(group="of.tests"))]
    monkeypatch.syspath_prepend(tmp_path)
    for package in ("one", "two"):
        register(tmp_path, package)
        found.append(sorted((entry.name, entry.dist.name) for entry in entry_points(group="of.tests")))
    shutil.rmtree(tmp_path / "one-1.0.dist-info")
    found.append([entry.name for entry in entry_points(group="of.tests")])
    assert found == [[], [("one", "one")], [("one", "one"), ("two", "two")], ["two"]]
    assert list(entry_points(group="of.tests", name="one")) == []
