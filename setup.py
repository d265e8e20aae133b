"""The part of the packaging that pyproject.toml cannot say: found packages and data folders beside them."""

from setuptools import find_packages, setup

# These folders stay at the top level and travel inside the package.
DATA = {
    "conf": "*.yaml",
    "search_spaces": "*.yaml",
    "latency_tables": "*.json",
    "published_accuracies": "*.json",
}

setup(
    packages=[*find_packages(include=["nas", "nas.*"]), *(f"nas.{folder}" for folder in DATA)],
    package_dir={"nas": "nas", **{f"nas.{folder}": folder for folder in DATA}},
    package_data={
        "nas": ["py.typed"],
        "nas.report.page": ["templates/*.html", "static/*"],
        **{f"nas.{folder}": [pattern, f"**/{pattern}"] for folder, pattern in DATA.items()},
    },
)
