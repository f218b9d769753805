"""``tumorscope serve``: a page in the browser, and an API for programs.

Owns the options and what is said on the terminal. Serving is ``serving``'s work.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["serve"]


def serve(
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Where to listen; 0 for any that is free.")
    ] = 8000,
    host: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS", help="Who may ask: 127.0.0.1 for this machine alone, 0.0.0.0 for all."
        ),
    ] = "127.0.0.1",
    model: Annotated[
        Path | None, typer.Option(metavar="BUNDLE", help="A bundle; the shipped one if left out.")
    ] = None,
    token_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Holds the token that clients must send; else TUMORSCOPE_TOKEN."),
    ] = None,
    tls_cert: Annotated[Path | None, typer.Option(metavar="FILE", help="Certificate chain, PEM.")] = None,
    tls_key: Annotated[Path | None, typer.Option(metavar="FILE", help="Its key, PEM.")] = None,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Listen to other machines without token and TLS.")
    ] = False,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Threads of the network; half of the processors if left out.")
    ] = None,
    readers: Annotated[
        int | None,
        typer.Option(min=1, help="Processes that decode files; one a processor if left out, at most 8."),
    ] = None,
    queue: Annotated[int, typer.Option(min=1, help="Requests that are taken at one time.")] = 64,
    max_upload: Annotated[int, typer.Option(min=1, metavar="MIB", help="Largest request, in MiB.")] = 512,
    keep: Annotated[int, typer.Option(min=0, metavar="SECONDS", help="How long cases are kept.")] = 900,
    file_seconds: Annotated[
        float, typer.Option(min=1, metavar="SECONDS", help="Time that a file may take to be decoded.")
    ] = 60.0,
) -> None:
    """Serve the reading room: a page that reads scans in the browser, and a REST API.

    Files stay on this machine and are forgotten when the page is closed, or after a while. Without a network it works
    as well. The API is described at /docs.

    \b
    Examples:
      tumorscope serve
      tumorscope serve --port 9000 --model runs/first/bundle.onnx
      tumorscope serve --host 0.0.0.0 --token-file token.txt --tls-cert cert.pem --tls-key key.pem
    """  # noqa: D301 - the help needs the character itself, not two of them
    import logging
    import os
    import sys

    from tumorscope.core.errors import InvalidConfiguration
    from tumorscope.core.optional import require
    from tumorscope.core.prediction import NOTICE

    for module in ("fastapi", "uvicorn", "python_multipart", "prometheus_client"):
        require(module, extra="serve", purpose="tumorscope serve")
    from tumorscope.serving.run import serve as run
    from tumorscope.serving.settings import MIB, Settings

    token = os.environ.get("TUMORSCOPE_TOKEN") or None
    if token_file is not None:
        try:
            token = token_file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidConfiguration(
                f"--token-file {token_file}: it could not be read ({error})"
            ) from error
        if not token:
            raise InvalidConfiguration(f"--token-file {token_file}: the file is empty; write a token into it")
    usual = Settings()
    settings = Settings(
        model=model,
        host=host,
        port=port,
        token=token,
        certificate=tls_cert,
        key=tls_key,
        insecure=insecure,
        threads=threads,
        readers=readers or usual.readers,
        queue=queue,
        body_bytes=max_upload * MIB,
        keep_seconds=keep,
        file_seconds=file_seconds,
        longest_keep_seconds=max(keep, usual.longest_keep_seconds),
    )

    def started(address: str) -> None:
        typer.echo(f"Tumorscope is at {address} (API: {address}/docs); Ctrl-C ends it.")
        typer.echo(NOTICE)
        sys.stdout.flush()

    # Ours alone: what other libraries tell could quote a file.
    logging.basicConfig(format="%(asctime)s %(message)s", level=logging.ERROR, stream=sys.stderr)
    logging.getLogger("tumorscope").setLevel(logging.INFO)
    run(settings, started)
