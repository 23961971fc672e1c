"""Serves a baseline's app as the services are served: uvicorn with uvloop and httptools, no access log."""

import sys

import uvicorn
from fastapi import FastAPI


def serve(app: FastAPI) -> None:
    """`python -m bench.baselines.NAME PORT`."""
    config = uvicorn.Config(app, host="127.0.0.1", port=int(sys.argv[1]), log_config=None, access_log=False)
    uvicorn.Server(config).run()
