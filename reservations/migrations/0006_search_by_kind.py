"""Answer which resources of a kind are taken from the index alone."""

import django.contrib.postgres.indexes
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('reservations', '0005_lease_deadline'),
        ('resources', '0003_find_by_model'),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name='calendarentry',
            name='entry_by_kind',
        ),
        migrations.AddIndex(
            model_name='calendarentry',
            index=django.contrib.postgres.indexes.GistIndex(condition=models.Q(('holding', True)), fields=['kind', 'occupies'], include=('resource',), name='entry_by_kind'),
        ),
    ]
