"""A lease that the site works on has a deadline, so that nothing waits for ever."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('reservations', '0004_versions'),
        ('resources', '0002_covers'),
    ]

    operations = [
        migrations.AddConstraint(
            model_name='lease',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('status__in', ['PROVISIONING', 'RELEASING']), _negated=True), ('deadline_at__isnull', False), _connector='OR'), name='lease_in_worker_has_a_deadline'),
        ),
    ]
