"""What stands in the source of a class beside its values."""

from __future__ import annotations

import ast
import inspect
import itertools
from textwrap import dedent


def texts_under(cls: type) -> dict[str, str]:
    """The string under each field or member of a class, by its name."""
    (body,) = (
        node.body for node in ast.parse(dedent(inspect.getsource(cls))).body if isinstance(node, ast.ClassDef)
    )
    texts = {}
    for field, after in itertools.pairwise(body):
        target = field.target if isinstance(field, ast.AnnAssign) else None
        if isinstance(field, ast.Assign):
            (target,) = field.targets
        if isinstance(target, ast.Name) and isinstance(after, ast.Expr):
            texts[target.id] = " ".join(str(ast.literal_eval(after.value)).split())
    return texts
