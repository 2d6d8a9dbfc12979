"""The site: ``pip install -e ".[docs]" && sphinx-build -W docs site``."""

import shutil
import tempfile
from pathlib import Path

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx_gallery.scrapers import figure_rst

import ganaug

HERE = Path(__file__).parent
RESULTS = HERE / "_results"  # a copy of the measured results, shown as pages
EXAMPLES = HERE / "_examples"  # a copy, since sphinx-gallery runs scripts where they lie, and they write files

project = "ganaug"
author = "ganaug developers"
project_copyright = author
release = version = ganaug.__version__
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "_examples", "_templates", "gallery_heading.rst"]
templates_path = ["_templates"]
nitpicky = False
default_role = "literal"  # docstrings name arguments in single backquotes

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3

autosummary_generate = True
autodoc_typehints = "none"  # numpydoc's sections say more
numpydoc_show_class_members = False  # members stand on the page of their class, by the template
numpydoc_class_members_toctree = False

html_math_renderer = "mathml"
html_theme = "pydata_sphinx_theme"
html_title = "ganaug"
html_static_path = ["_static"]
html_css_files = ["ganaug.css"]
html_theme_options = {
    "header_links_before_dropdown": 6,
    "navbar_end": ["theme-switcher"],
    "secondary_sidebar_items": ["page-toc"],
    "show_prev_next": False,
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "footer_start": ["copyright"],
    "footer_end": [],
}
html_sidebars = {"get_started": [], "glossary": [], "benchmarks": [], "index": [], "contributing": []}
html_show_sourcelink = False
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

# Examples that take a few seconds run here and show their output and pictures; tests/test_examples.py runs all of them.
OUTPUT = Path(tempfile.mkdtemp())  # not under EXAMPLES, whose folders sphinx-gallery takes for sections
RUN_HERE = {
    "train_and_sample": ["--steps", "300", "--output", str(OUTPUT)],
    "flow_matching": ["--steps", "150"],
    "impute_table": ["--steps", "200"],
}


WRITTEN = {"vae": "VAE", "cifar10": "CIFAR-10", "resnet": "ResNet", "imagefolder": "ImageFolder", "cutmix": "CutMix"}


def copy_examples() -> None:
    """Copy the examples, each under a heading made of its file's name, as sphinx-gallery wants them."""
    shutil.rmtree(EXAMPLES, ignore_errors=True)
    EXAMPLES.mkdir()
    for path in sorted((HERE.parent / "examples").glob("*.py")):
        words = " ".join(WRITTEN.get(word, word) for word in path.stem.split("_"))
        title = words[0].upper() + words[1:]
        text = path.read_text(encoding="utf-8").removeprefix('"""')
        (EXAMPLES / path.name).write_text(f'"""\n{title}\n{"=" * len(title)}\n\n{text}', encoding="utf-8")
    shutil.copy(HERE / "gallery_heading.rst", EXAMPLES / "GALLERY_HEADER.rst")


def copy_results() -> None:
    """Copy the measured results, so that links to them lead to pages of the site."""
    shutil.rmtree(RESULTS, ignore_errors=True)
    shutil.copytree(HERE.parent / "benchmarks" / "results", RESULTS, ignore=shutil.ignore_patterns("*.json"))
    for path in RESULTS.rglob("*.md"):
        path.write_text(f"---\norphan: true\n---\n\n{path.read_text(encoding='utf-8')}", encoding="utf-8")


def link_results(app, name, content) -> None:
    """Let links to ``benchmarks/results``, as they are in the repository, lead to the copies."""
    content[0] = content[0].replace("../benchmarks/results/", "_results/")


def saved_pictures(block, block_vars, gallery_conf) -> str:
    """Show the PNG files that an example has written (a scraper of sphinx-gallery)."""
    shown = []
    for path in [*sorted(EXAMPLES.glob("*.png")), *sorted(OUTPUT.glob("*.png"))]:
        target = next(block_vars["image_path_iterator"])
        shutil.move(path, target)
        shown.append(target)
    return figure_rst(shown, gallery_conf["src_dir"])


def arguments(gallery_conf, script_vars) -> list[str]:
    """What an example is started with here: few steps."""
    return RUN_HERE[Path(script_vars["src_file"]).stem]


def inherited_from_elsewhere(app, what, name, member, skip, options) -> bool | None:
    """Leave what classes inherit from scikit-learn, torch and others to the documentation of these."""
    home = getattr(member, "__module__", None) or "ganaug"
    return True if home.partition(".")[0] != "ganaug" else None


def inline_formula(self, node) -> None:
    """Write a formula as MathML, which browsers show without a script."""
    self.body.append(tex2mathml(node.astext()))
    raise nodes.SkipNode


def formula(self, node) -> None:
    """Write a displayed formula as MathML."""
    self.body.append(f'<div class="formula">{tex2mathml(node.astext(), as_block=True)}</div>')
    raise nodes.SkipNode


def setup(app) -> None:
    """Register what this file adds to Sphinx."""
    app.add_html_math_renderer("mathml", (inline_formula, None), (formula, None))
    app.connect("source-read", link_results)
    app.connect("autodoc-skip-member", inherited_from_elsewhere)


copy_examples()
copy_results()
sphinx_gallery_conf = {
    "examples_dirs": str(EXAMPLES),
    "gallery_dirs": "gallery",
    "filename_pattern": rf"/({'|'.join(RUN_HERE)})\.py$",
    "default_thumb_file": str(HERE / "_static" / "code.svg"),
    "reset_argv": arguments,
    "image_scrapers": (saved_pictures,),
    "reset_modules": (),
    "nested_sections": False,
    "download_all_examples": False,
    "show_memory": False,
    "show_signature": False,
    "write_computation_times": False,
    "remove_config_comments": True,
}
# The functions above cannot be kept from build to build; reports of the benchmark leave out levels of headings.
suppress_warnings = ["config.cache", "myst.header"]
