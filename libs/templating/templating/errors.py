"""Everything that can be wrong with a template or with what it is filled with."""


class TemplateError(Exception):
    """A template that cannot be saved, or cannot be rendered with these variables.

    `code` is stable and machine-readable: `template_empty`, `template_syntax`, `template_limit`, `unsafe_output`,
    `unsafe_url`, `missing_variables`, `template_render`, `channel_not_served`. `message` is for people and never holds
    a variable's value. `field` is the part it is about (`subject`, `html`, `text`, `title`, `body`, `image`, `link`)
    or "".
    """

    def __init__(self, code: str, message: str, field: str = "") -> None:
        super().__init__(f"{field}: {message}" if field else message)
        self.code = code
        self.message = message
        self.field = field

    def in_field(self, field: str) -> None:
        """Name the part that this error is about, unless one is named already."""
        if not self.field:
            self.field = field
            self.args = (f"{field}: {self.message}",)


class MissingVariables(TemplateError):
    """Variables that the template needs were absent or null; `names` holds all of them, sorted."""

    def __init__(self, names: tuple[str, ...]) -> None:
        super().__init__("missing_variables", f"missing variables: {', '.join(names)}")
        self.names = names
