"""The errors of this service's API."""

from collections.abc import Iterable, Mapping

from chassis.errors import Conflict, NotFound, Unprocessable
from chassis.http.envelope import FieldProblem, Problems
from templating import TemplateError

FIELDS = {"html": "content", "": "content"}
"""The renderer's names of parts → the API's names. An error about no single part is reported for `content`."""


class TemplateNotFound(NotFound):
    code, message = "template_not_found", "There is no template with this code"


class LanguageNotFound(NotFound):
    code, message = "language_not_found", "The template does not exist in this language; POST /templates adds one"


class VersionNotFound(NotFound):
    code, message = "version_not_found", "The template has no such version in this language"


class TemplateExists(Conflict):
    code, message = "template_exists", "The template exists in this language; PUT makes a new version of it"


class TemplateChanged(Conflict):
    """Somebody else has saved a version since the caller read the template."""

    code, message = "template_changed", "A newer version was saved in the meantime"

    def __init__(self, latest: int) -> None:
        super().__init__(f"Version {latest} was saved in the meantime, and this change was made without it")


class SnippetNotFound(NotFound):
    code, message = "snippet_not_found", "There is no snippet with this name"


class SnippetExists(Conflict):
    code, message = "snippet_exists", "The snippet exists; PUT makes a new version of it"


class InvalidSnippet(Unprocessable):
    """The snippet cannot be saved. The error names the problem."""

    code, message, field = "invalid_snippet", "The snippet is not valid", "content"

    def __init__(self, error: TemplateError) -> None:
        super().__init__(f"The snippet is not valid: {error.message}", data=_problems([("content", error.message)]))


class InvalidTemplate(Unprocessable):
    """The template cannot be saved, or cannot be rendered with these variables. The error names the part and the problem."""

    code, message, field = "invalid_template", "The template is not valid", "content"

    def __init__(self, error: TemplateError, names: Mapping[str, str]) -> None:
        """`names`: the name that the caller used for a part, where several names are accepted."""
        field = names.get(error.field or "html") or FIELDS.get(error.field, error.field)
        super().__init__(
            f"The template is not valid: {field}: {error.message}", data=_problems([(field, error.message)])
        )


class VariablesMissing(Unprocessable):
    """Lists every variable that is missing, as `variables.<name>`."""

    code, message, field = "missing_variables", "Variables are missing", "variables"

    def __init__(self, names: Iterable[str]) -> None:
        listed = sorted(names)
        problems = _problems((f"variables.{name}", "This variable is required by the template") for name in listed)
        super().__init__(f"Variables are missing: {', '.join(listed)}", data=problems)


def _problems(found: Iterable[tuple[str, str]]) -> Problems:
    return Problems(errors=[FieldProblem(field=field, message=message) for field, message in found])
