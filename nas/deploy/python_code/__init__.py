"""A trained network as one readable Python file."""

from nas.deploy.python_code.module import write_python
from nas.deploy.python_code.writer import PythonWriter, python_of

__all__ = ["PythonWriter", "python_of", "write_python"]
