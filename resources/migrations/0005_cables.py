"""Cables between devices, and the pool of VLANs that their leases are given."""

import django.core.validators
import django.db.models.deletion
import resources.vlans
import uuid
from django.db import migrations, models


FORWARD = """
CREATE FUNCTION shary_plug_cable() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM resources_cover WHERE (whole_id, part_id) IN ((NEW.a_id, NEW.b_id), (NEW.b_id, NEW.a_id))) THEN
        RAISE EXCEPTION 'A cable cannot join a device with a part of itself.'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'cable_joins_two_devices';
    END IF;
    IF NOT NEW.between_sites AND (SELECT count(DISTINCT site_id) FROM resources_resource
                                  WHERE id IN (NEW.a_id, NEW.b_id)) > 1 THEN
        RAISE EXCEPTION 'A cable that leaves its site has to say so.'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'cable_stays_at_its_site';
    END IF;
    DELETE FROM resources_cableport WHERE cable_id = NEW.id;
    INSERT INTO resources_cableport (cable_id, resource_id, port)
        VALUES (NEW.id, NEW.a_id, NEW.a_port), (NEW.id, NEW.b_id, NEW.b_port);
    RETURN NULL;
END $$;

CREATE TRIGGER plug_cable AFTER INSERT OR UPDATE ON resources_cable
    FOR EACH ROW EXECUTE FUNCTION shary_plug_cable();
"""

BACKWARD = """
DROP TRIGGER plug_cable ON resources_cable;
DROP FUNCTION shary_plug_cable();
"""


class Migration(migrations.Migration):

    dependencies = [
        ('resources', '0004_discoveries'),
    ]

    operations = [
        migrations.AddField(
            model_name='site',
            name='vlan_pool',
            field=models.CharField(blank=True, help_text='VLANs that leases may be given for their links, such as 200-219, 300.', max_length=200, validators=[resources.vlans.check_pool], verbose_name='VLAN pool'),
        ),
        migrations.CreateModel(
            name='Cable',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('a_port', models.CharField(help_text='As the device names it: 1/0, eth2, p0.', max_length=60, verbose_name='its port')),
                ('b_port', models.CharField(max_length=60, verbose_name='the other’s port')),
                ('speed_gbps', models.FloatField(blank=True, help_text='In Gbit/s.', null=True, validators=[django.core.validators.MinValueValidator(0.001)], verbose_name='speed')),
                ('a_sets_vlan', models.BooleanField(blank=True, help_text="Unknown: as the device's adapter says.", null=True, verbose_name='VLAN at its port')),
                ('b_sets_vlan', models.BooleanField(blank=True, null=True, verbose_name='VLAN at the other’s port')),
                ('between_sites', models.BooleanField(default=False, help_text='It leaves the site, such as a link of the federation.')),
                ('a', models.ForeignKey(help_text='The device that has the port; its parts use the cable too.', on_delete=django.db.models.deletion.CASCADE, related_name='cables_from', to='resources.resource', verbose_name='one device')),
                ('b', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='cables_to', to='resources.resource', verbose_name='other device')),
            ],
            options={
                'ordering': ['a__site', 'a__name', 'a_port'],
            },
        ),
        migrations.CreateModel(
            name='CablePort',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('port', models.CharField(max_length=60)),
                ('cable', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='ports', to='resources.cable')),
                ('resource', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='cable_ports', to='resources.resource')),
            ],
        ),
        migrations.AddConstraint(
            model_name='cable',
            constraint=models.CheckConstraint(condition=models.Q(('a', models.F('b')), _negated=True), name='cable_joins_two_devices'),
        ),
        migrations.AddConstraint(
            model_name='cable',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('a_port', ''), _negated=True), models.Q(('b_port', ''), _negated=True)), name='cable_names_its_ports'),
        ),
        migrations.AddConstraint(
            model_name='cable',
            constraint=models.CheckConstraint(condition=models.Q(('speed_gbps__isnull', True), ('speed_gbps__gt', 0), _connector='OR'), name='cable_has_a_speed'),
        ),
        migrations.AddConstraint(
            model_name='cableport',
            constraint=models.UniqueConstraint(fields=('resource', 'port'), name='one_cable_in_a_port'),
        ),
        migrations.RunSQL(FORWARD, BACKWARD),
    ]
