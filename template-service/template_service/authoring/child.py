"""Runs a compiler written in Rust in a process of its own: `python -m template_service.authoring.child NAME`.

It reads the source from the standard input and writes the result to the standard output. Exit code 3 means that the
source has an error, and that the output is its message. The compilers recurse: on deeply nested sources they overflow the
stack, which would end the service.
"""

import resource
import sys
from collections.abc import Callable

CPU_SECONDS = 2
MEMORY_BYTES = 128 * 1024 * 1024
FAULTY_SOURCE = 3


def _mjml(source: str) -> str:
    import mjml  # noqa: PLC0415 - only one of the compilers is loaded

    # There is no loader, so every include fails. The web fonts are those of MJML itself.
    return mjml.mjml2html(source)


def _css(source: str) -> str:
    import css_inline  # noqa: PLC0415

    # `keep_at_rules` and `keep_style_tags` do not matter: only the style attributes of the result are read.
    inliner = css_inline.CSSInliner(load_remote_stylesheets=False, keep_at_rules=True)
    return inliner.inline(source)


COMPILERS: dict[str, Callable[[str], str]] = {"mjml": _mjml, "css": _css}


def main(name: str) -> int:
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        result, code = COMPILERS[name](sys.stdin.buffer.read().decode()), 0
    except ValueError as error:
        result, code = str(error), FAULTY_SOURCE
    sys.stdout.buffer.write(result.encode())
    return code


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1]))
