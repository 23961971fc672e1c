"""What a service loads: no more than its packages need."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize("service", ["user_service", "template_service"])
def test_a_service_without_a_queue_loads_no_amqp(service: str) -> None:
    code = f"import sys, {service}.main; print({{'aio_pika', 'aiormq', 'pamqp'}} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
