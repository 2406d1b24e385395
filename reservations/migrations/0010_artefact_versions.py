"""Files have versions, and say what they were made from."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("reservations", "0009_smart_nic_bluefield")]

    operations = [
        migrations.AddField(
            model_name="artefact",
            name="provenance",
            field=models.TextField(
                blank=True,
                default="",
                editable=False,
                help_text="What it was made from, if the portal had it made.",
            ),
        ),
        migrations.AddField(
            model_name="artefact",
            name="version",
            field=models.PositiveIntegerField(
                default=1,
                editable=False,
                help_text="Counts the files of one name, in the order in which they came.",
            ),
        ),
        migrations.AddIndex(
            model_name="artefact",
            index=models.Index(
                fields=["project", "adapter", "name", "sha256"], name="artefact_by_content"
            ),
        ),
    ]
