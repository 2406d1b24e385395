"""Files say what is in them, such as the tables of a program."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("reservations", "0013_vlans")]

    operations = [
        migrations.AddField(
            model_name="artefact",
            name="facts",
            field=models.JSONField(
                blank=True,
                default=dict,
                editable=False,
                help_text="What its adapter found in it, such as tables.",
            ),
        ),
    ]
