"""Find the traces that parts leave on wholes by resource and time, as the board asks for them."""

from django.contrib.postgres.indexes import GistIndex
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("reservations", "0026_note_freed_time")]
    operations = [
        migrations.AddIndex(
            model_name="calendarentry",
            index=GistIndex(
                fields=["resource", "occupies"],
                name="entry_that_leaves_a_trace",
                condition=models.Q(holding=True, exclusive=False),
            ),
        ),
    ]
