"""Modules of one's own, beside a search space: each folder has its own ones, and any process finds them."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from nas.blocks import BlockSpec
from nas.errors import UserError
from nas.nn import Block, Supernet
from nas.plugins.folders import import_from
from nas.space import SearchSpace
from tests.processes import python

BLOCKS = """
from dataclasses import dataclass
from typing import ClassVar

from nas.blocks import INPUT, BlockSettings, BlockSpec, Lowering, Op, Rounding, Shape, register
{imports}

@dataclass(frozen=True, kw_only=True)
class Spec(BlockSpec):
    KIND: ClassVar[str] = "{kind}"
    out_channels: int

    def lowering(self) -> tuple[Op, ...]:
        net = Lowering(self.in_shape)
        net.conv(INPUT, self.out_channels, role="conv", kernel={kernel})
        return net.ops


@register
@dataclass(frozen=True, kw_only=True)
class Settings(BlockSettings):
    KIND: ClassVar[str] = "{kind}"
    SPEC: ClassVar[type[BlockSpec]] = Spec
    width: float

    def lower(self, shape: Shape, rounding: Rounding) -> Spec:
        size = dict(in_channels=shape.channels, in_height=shape.height, in_width=shape.width)
        return Spec(**size, out_channels=rounding.width(self.width))
"""

SPACE = """
modules: {modules}
resolution: 16
stages:
  - {{kind: {kind}, width: [8, 16]}}
head:
  - {{kind: pool}}
"""


def write(
    folder: Path, *, kind: str, kernel: str = "3", imports: str = "", modules: str = "[my_blocks]"
) -> Path:
    """A space with one kind of block of its own; gives the path of its file."""
    folder.mkdir(parents=True, exist_ok=True)
    blocks = BLOCKS.format(kind=kind, kernel=kernel, imports=imports)
    (folder / "my_blocks.py").write_text(blocks, encoding="utf-8")
    (folder / "own.yaml").write_text(SPACE.format(kind=kind, modules=modules), encoding="utf-8")
    return folder / "own.yaml"


def kernel(space: SearchSpace) -> int:
    """The kernel of the space's own block."""
    return space.network(space.largest()).blocks[0].ops[0].kernel  # type: ignore[attr-defined, no-any-return]


def block(space: SearchSpace) -> BlockSpec:
    return space.network(space.largest()).blocks[0]


def in_a_new_process(code: str, *arguments: str) -> str:
    done = python("-c", code, *arguments, folder=Path.cwd())
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_modules_of_one_name_in_two_folders_are_two(tmp_path: Path) -> None:
    paths = [write(tmp_path / f"{size}", kind=f"two_folders_{size}", kernel=f"{size}") for size in (3, 5)]
    spaces = [SearchSpace.load(path) for path in paths]
    assert [kernel(space) for space in spaces] == [3, 5]
    assert [kernel(SearchSpace.load(path)) for path in paths] == [3, 5]
    assert "my_blocks" not in sys.modules
    assert str(tmp_path) not in "".join(sys.path)


@pytest.mark.parametrize("imports", ["import sizes", "from . import sizes", "import sub.sizes as sizes"])
def test_modules_import_each_other_by_plain_names_too(tmp_path: Path, imports: str) -> None:
    spaces = []
    for size in (3, 5):
        folder = tmp_path / f"{size}"
        (folder / "sub").mkdir(parents=True)
        (folder / "sub" / "__init__.py").touch()
        for name in ("sizes.py", "sub/sizes.py"):
            (folder / name).write_text(f"import my_blocks\nKERNEL = {size}\n", encoding="utf-8")
        kind = f"plain_{''.join(filter(str.isalpha, imports))}_{size}"
        spaces.append(SearchSpace.load(write(folder, kind=kind, kernel="sizes.KERNEL", imports=imports)))
    assert [kernel(space) for space in spaces] == [3, 5]
    assert {"sizes", "sub", "sub.sizes", "my_blocks"}.isdisjoint(sys.modules)
    loaded = {name: module for name, module in sys.modules.items() if name.endswith((".sizes", ".my_blocks"))}
    assert all(module.__spec__ and module.__spec__.name == name for name, module in loaded.items())


def test_another_process_unpickles_a_block(tmp_path: Path) -> None:
    space = SearchSpace.load(write(tmp_path / "ä b_5f", kind="pickled"))
    (tmp_path / "block").write_bytes(pickle.dumps((space, block(space))))
    code = "import pickle, sys; print(pickle.load(open(sys.argv[1], 'rb'))[1].key)"
    assert in_a_new_process(code, str(tmp_path / "block")) == block(space).key
    assert pickle.loads(pickle.dumps(block(space))) == block(space)


def test_pytorch_compiles_a_block_of_one_s_own(tmp_path: Path) -> None:
    for size in (3, 5):
        spec = block(SearchSpace.load(write(tmp_path / f"{size}", kind=f"compiled_{size}", kernel=f"{size}")))
        module, x = Block([spec]).eval(), torch.randn(1, 3, 16, 16)
        del vars(spec)["ops"]  # so that the compiler sees the lowering, which is the user's code
        compiled = torch.compile(module, backend="eager", fullgraph=False)
        assert torch.allclose(compiled(x, spec), module(x, spec), atol=1e-6)


def test_a_supernet_of_one_s_own_kind_runs(tmp_path: Path) -> None:
    space = SearchSpace.load(write(tmp_path, kind="in_supernet"))
    supernet, network = (
        Supernet(space, classes=3).eval(),
        space.network(space.sample(np.random.default_rng(0))),
    )
    x = torch.randn(2, 3, 16, 16)
    assert torch.allclose(supernet(x, network), supernet.extract(network)(x), atol=1e-5)


def test_installed_modules_are_imported_by_name(tmp_path: Path) -> None:
    path = write(tmp_path, kind="conv", modules="[json, nas.blocks.convnext]")
    (tmp_path / "my_blocks.py").unlink()
    assert SearchSpace.load(path).size == 2


def test_a_module_in_a_package_beside_the_space(tmp_path: Path) -> None:
    path = write(tmp_path, kind="packaged", modules="[blocks.mine]")
    (tmp_path / "blocks").mkdir()
    (tmp_path / "my_blocks.py").rename(tmp_path / "blocks" / "mine.py")
    assert kernel(SearchSpace.load(path)) == 3


def test_a_module_that_is_imported_already_is_not_run_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path, kind="imported_already")
    (tmp_path / "my_blocks.py").rename(tmp_path / "blocks_imported_already.py")
    path.write_text(path.read_text().replace("my_blocks", "blocks_imported_already"))
    monkeypatch.syspath_prepend(tmp_path)
    module = __import__("blocks_imported_already")
    assert type(block(SearchSpace.load(path))) is module.Spec


def test_a_copy_of_a_folder_defines_the_same_kind(tmp_path: Path) -> None:
    spaces = [SearchSpace.load(write(tmp_path / name, kind="copied")) for name in "ab"]
    assert block(spaces[0]).key == block(spaces[1]).key


@pytest.mark.parametrize("kind", ["differs", "conv"])
def test_a_kind_that_two_files_define_differently_is_refused(tmp_path: Path, kind: str) -> None:
    if kind == "differs":
        SearchSpace.load(write(tmp_path / "a", kind=kind))
    with pytest.raises(
        UserError, match=rf"two .* called '{kind}': .*\.py\) and .*my_blocks\.py\); rename one"
    ):
        SearchSpace.load(write(tmp_path / "b", kind=kind, kernel="5"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "import no_such",
            r"own\.yaml: module 'my_blocks' .*there is no module 'no_such'; put no_such\.py into",
        ),
        ("from . import no_such", r"module 'my_blocks' .*my_blocks\.py, line 1: ImportError: .*'no_such'"),
        ("import my_blocks.no_such", r"there is no module 'my_blocks\.no_such'"),
    ],
)
def test_what_cannot_be_imported_is_named(tmp_path: Path, content: str, message: str) -> None:
    path = write(tmp_path, kind="conv")
    (tmp_path / "my_blocks.py").write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match=message):
        SearchSpace.load(path)


def test_an_import_inside_a_function_finds_the_neighbour(tmp_path: Path) -> None:
    """By its plain name where one folder has it, by a relative import wherever two have it."""
    modules = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "lazy.py").write_text(f"WHERE = {name!r}\n")
        (tmp_path / name / "late.py").write_text(
            "def plain():\n    import lazy\n    return lazy.WHERE\n"
            "def relative():\n    from . import lazy\n    return lazy.WHERE\n"
        )
        modules.append(import_from(tmp_path / name, "late"))
        if name == "one":
            assert modules[0].plain() == "one"
    assert [module.relative() for module in modules] == ["one", "two"]
    for module in modules:
        with pytest.raises(
            ImportError, match=r"'lazy' in .*one and in .*two; inside functions, write `from . imp"
        ):
            module.plain()
