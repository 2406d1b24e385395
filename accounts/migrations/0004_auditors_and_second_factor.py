from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("accounts", "0003_where_a_membership_comes_from"),
    ]

    operations = [
        migrations.AddField(
            model_name="user",
            name="is_auditor",
            field=models.BooleanField(
                default=False,
                help_text="Reads everything of the federation and changes nothing; sees nothing that opens a device.",
                verbose_name="auditor",
            ),
        ),
        migrations.AddField(
            model_name="user",
            name="second_factor_since",
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
    ]
