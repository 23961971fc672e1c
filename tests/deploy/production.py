"""`python -m tests.deploy.production`: writes docker-compose.prod.yml, which is docker-compose.yml with production's changes.

A file of its own, so that `docker-compose -f docker-compose.prod.yml up -d` works with every docker-compose: `extends` cannot
take a service that depends on others, and `include` is not known to older ones.
"""

from typing import Any

import yaml

from tests.deploy.compose import ROOT, services

BASE, CHANGES, WHOLE = "docker-compose.yml", "deploy/compose/production.yml", "docker-compose.prod.yml"
HEAD = f"""\
# Production on one host: `make env`, the mail server and the FCM key in .env, then docker-compose -f {WHOLE} up -d
# Nothing but the gateway is published. Weak secrets stop the start.
# Generated from {BASE} and {CHANGES} (which says more) by `python -m tests.deploy.production`: change those.
"""


class _Dumper(yaml.SafeDumper):
    """Without anchors: each service stands there in full."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def whole() -> str:
    base = yaml.safe_load((ROOT / BASE).read_text())
    document = {
        "version": base["version"],
        "services": services(BASE, CHANGES),
        "networks": base["networks"],
        "volumes": base["volumes"],
    }
    return HEAD + yaml.dump(document, Dumper=_Dumper, sort_keys=False, width=120, allow_unicode=True)


if __name__ == "__main__":
    (ROOT / WHOLE).write_text(whole())
