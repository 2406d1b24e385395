"""The Celery application of a site: takes the hub's orders, and does nothing but write and ring.

Start it with `python -m site_worker --config FILE`.
"""

import logging
import os
import sys
import threading
import time
from collections.abc import Sequence
from typing import Any

from celery import Celery
from celery.signals import setup_logging, worker_init, worker_shutdown, worker_shutting_down

from site_worker.config import load_config
from site_worker.site import Site

log = logging.getLogger("shary.site")

CONFIG = load_config()

# Without the fix-ups of Celery, which would set up Django wherever DJANGO_SETTINGS_MODULE is set.
app = Celery("site_worker", broker=CONFIG.broker_url, set_as_current=False, fixups=[])
app.conf.update(
    task_default_queue=CONFIG.queue,
    task_ignore_result=True,
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_serializer="json",
    accept_content=["json"],
    worker_prefetch_multiplier=1,
    # A site may touch its own queue and the hub's and nothing else, so the worker talks to nobody.
    worker_enable_remote_control=False,
    worker_send_task_events=False,
    worker_hijack_root_logger=False,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    broker_connection_timeout=5,
    broker_transport_options={
        "visibility_timeout": 600,
        "socket_connect_timeout": 5,
        "socket_timeout": 20,
        "socket_keepalive": True,
        "health_check_interval": 25,
        # Other sites on the same broker keep their unacknowledged messages to themselves.
        "unacked_key": f"unacked.{CONFIG.queue}",
        "unacked_index_key": f"unacked_index.{CONFIG.queue}",
        "unacked_mutex_key": f"unacked_mutex.{CONFIG.queue}",
    },
)

_site: Site | None = None
_STOP_S = 4.0


def publish(sealed: Sequence[str]) -> None:
    """Hand sealed reports to the broker."""
    app.send_task(
        "hub.take_reports",
        args=[list(sealed)],
        queue="hub",
        retry=True,
        retry_policy={"max_retries": 1, "interval_start": 0, "interval_step": 0.2},
    )


@app.task(name="site.take_orders")
def take_orders(sealed: list[str]) -> None:
    """Write the hub's orders down; they are safe on disk before they are acknowledged."""
    site = _site
    if site is None:
        raise RuntimeError("The site's worker takes orders only while it runs.")
    site.take(sealed)


@setup_logging.connect
def _set_up_logging(loglevel: int | None = None, **_: Any) -> None:
    logging.basicConfig(
        stream=sys.stderr,
        level=loglevel or logging.INFO,
        format="%(asctime)s %(levelname)s %(process)d %(name)s %(message)s",
    )


# Before the broker is reached: the ends of leases do not wait for it.
@worker_init.connect
def _start(**_: Any) -> None:
    global _site  # one site per process
    _site = Site(config=CONFIG, publish=publish)
    _site.start()


@worker_shutting_down.connect
def _begin_stop(**_: Any) -> None:
    if _site is not None:
        _site.begin_stop()
    # Celery can hang on a broker that is gone; a worker that was told to stop stops.
    threading.Thread(target=_stop_for_sure, name="stop", daemon=True).start()


@worker_shutdown.connect
def _finish_stop(**_: Any) -> None:
    if _site is not None:
        _site.finish_stop(CONFIG.stop_grace_s + _STOP_S)


def _stop_for_sure() -> None:
    if _site is not None:
        _site.finish_stop(CONFIG.stop_grace_s + _STOP_S)
    time.sleep(2.0)
    log.warning("site=%s Celery did not stop by itself", CONFIG.site)
    os._exit(0)
