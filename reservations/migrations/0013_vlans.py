"""VLANs for the links of a reservation, which follow its leases."""

import django.contrib.postgres.constraints
import django.contrib.postgres.fields.ranges
import django.db.models.deletion
from django.db import migrations, models


FORWARD = """
CREATE FUNCTION shary_follow_vlans() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    held tstzrange;
BEGIN
    IF NOT EXISTS (SELECT FROM reservations_vlanallotment WHERE reservation_id = NEW.reservation_id AND holding) THEN
        RETURN NULL;
    END IF;
    SELECT range_merge(range_agg(shary_occupies(starts_at, ends_at, preparation_s, cleanup_s))) INTO held
        FROM reservations_lease WHERE reservation_id = NEW.reservation_id AND shary_is_holding(status);
    IF held IS NULL THEN
        UPDATE reservations_vlanallotment SET holding = false WHERE reservation_id = NEW.reservation_id;
    ELSE
        UPDATE reservations_vlanallotment SET occupies = held
            WHERE reservation_id = NEW.reservation_id AND holding AND occupies <> held;
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER follow_vlans AFTER UPDATE ON reservations_lease
    FOR EACH ROW WHEN (
        OLD.starts_at <> NEW.starts_at OR OLD.ends_at <> NEW.ends_at
        OR OLD.preparation_s <> NEW.preparation_s OR OLD.cleanup_s <> NEW.cleanup_s
        OR shary_is_holding(OLD.status) <> shary_is_holding(NEW.status)
    ) EXECUTE FUNCTION shary_follow_vlans();
"""

BACKWARD = """
DROP TRIGGER follow_vlans ON reservations_lease;
DROP FUNCTION shary_follow_vlans();
"""


class Migration(migrations.Migration):

    dependencies = [
        ('reservations', '0012_rehearsals'),
        ('resources', '0005_cables'),
    ]

    operations = [
        migrations.AddField(
            model_name='reservation',
            name='wiring',
            field=models.JSONField(blank=True, help_text='Which of its devices have to be able to talk to each other.', null=True),
        ),
        migrations.CreateModel(
            name='VlanAllotment',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('vlan', models.PositiveSmallIntegerField()),
                ('occupies', django.contrib.postgres.fields.ranges.DateTimeRangeField()),
                ('holding', models.BooleanField(default=True)),
                ('cable', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='vlan_allotments', to='resources.cable')),
                ('reservation', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='vlan_allotments', to='reservations.reservation')),
                ('site', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='vlan_allotments', to='resources.site')),
            ],
            options={
                'ordering': ['vlan'],
                'constraints': [django.contrib.postgres.constraints.ExclusionConstraint(condition=models.Q(('holding', True)), expressions=[('site', '='), ('vlan', '='), ('occupies', '&&')], name='vlan_once_at_a_time'), models.UniqueConstraint(fields=('reservation', 'cable', 'site'), name='one_vlan_for_a_link')],
            },
        ),
        migrations.RunSQL(FORWARD, BACKWARD),
    ]
