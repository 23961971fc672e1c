"""`python -m template_service` serves until SIGTERM."""

from chassis.server import serve
from template_service.main import create_app
from template_service.settings import TemplateSettings

if __name__ == "__main__":
    serve(TemplateSettings, create_app, "template-service")
