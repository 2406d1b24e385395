"""Find the resources of a model without reading all of their kind."""

import django.db.models.functions.text
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('resources', '0002_covers'),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name='resource',
            name='resource_by_kind_and_model',
        ),
        migrations.AddIndex(
            model_name='resource',
            index=models.Index(models.F('kind'), django.db.models.functions.text.Lower('model'), name='resource_by_kind_and_model'),
        ),
    ]
