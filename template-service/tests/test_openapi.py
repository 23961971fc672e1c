"""The published description is whole."""

from template_service.main import create_app
from template_service.settings import TemplateSettings


async def test_every_route_is_described_with_examples() -> None:
    description = create_app(TemplateSettings()).openapi()
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            assert operation["summary"], (method, path)
            if path.startswith("/api/"):
                assert operation["description"], (method, path)
                assert {"401", "403", "422", "503"} <= set(operation["responses"]), (method, path)
    for name in ("CreateTemplate", "ReplaceTemplate", "PatchTemplate", "RenderTemplate", "TemplateAnswer"):
        assert description["components"]["schemas"][name]["examples"], name
