"""Serves a baseline's app like the services: uvicorn with uvloop and httptools, without an access log."""

import sys

import uvicorn
from fastapi import FastAPI


def serve(app: FastAPI) -> None:
    """`python -m bench.baselines.NAME PORT`."""
    config = uvicorn.Config(app, host="127.0.0.1", port=int(sys.argv[1]), log_config=None, access_log=False)
    uvicorn.Server(config).run()
