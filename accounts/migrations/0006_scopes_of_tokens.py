import django.contrib.postgres.fields
from django.db import migrations, models

import accounts.scopes


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0005_invitations_and_requests"),
    ]

    operations = [
        migrations.AddField(
            model_name="personaltoken",
            name="scopes",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.CharField(max_length=16), default=accounts.scopes.all_scopes, size=None
            ),
        ),
    ]
