"""Beat that does not ring twice while nobody has opened."""

import logging
from typing import Any

from celery.beat import ScheduleEntry, Scheduler

logger = logging.getLogger(__name__)

# The kinds of ring that come all the time, one of each that came while the first was being answered, and a rare one.
MOST_WAITING = 5


class Doorbell(Scheduler):  # type: ignore[misc]
    """Ring unless rings wait already: a worker that comes back finds a few, not a day of them.

    `expires` alone would not do: the broker keeps expired messages until a worker takes them.
    Nothing is kept between starts, since what is due stands in the database.
    """

    def apply_async(
        self, entry: ScheduleEntry, producer: Any = None, advance: bool = True, **options: Any
    ) -> Any:
        queue = entry.options.get("queue")
        try:
            if queue and self.waiting_in(queue) >= MOST_WAITING:
                if advance:
                    self.reserve(entry)
                return None
        except self.connection.recoverable_connection_errors as error:
            # A line a second is enough; Celery would add two stacks to each.
            logger.warning("No ring for “%s”: the broker does not answer: %s", entry.name, error)
            return None
        return super().apply_async(entry, producer=producer, advance=advance, **options)

    def waiting_in(self, queue: str) -> int:
        """Return how many messages wait in a queue, which is made if the broker does not know it yet."""
        declared = self.app.amqp.queues[queue].bind(self.connection.default_channel).queue_declare()
        return int(declared.message_count)
