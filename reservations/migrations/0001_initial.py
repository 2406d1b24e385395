"""The nouns of when: reservations, leases, the calendar, events, proofs."""

import django.contrib.postgres.constraints
from django.contrib.postgres.operations import BtreeGistExtension
import django.contrib.postgres.fields.ranges
import django.contrib.postgres.indexes
import django.db.models.deletion
import reservations.encrypted
import uuid
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('accounts', '0001_initial'),
        ('resources', '0001_initial'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        BtreeGistExtension(),
        migrations.CreateModel(
            name='Artefact',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('adapter', models.CharField(max_length=60)),
                ('name', models.CharField(help_text='The file that the adapter asks for.', max_length=60)),
                ('filename', models.CharField(max_length=255)),
                ('sha256', models.CharField(max_length=64)),
                ('size', models.PositiveIntegerField()),
                ('content', models.BinaryField()),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('project', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='artefacts', to='accounts.project')),
                ('uploaded_by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'ordering': ['-created_at'],
            },
        ),
        migrations.CreateModel(
            name='Lease',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('status', models.CharField(choices=[('REQUESTED', "Asked, waiting for the site's approval"), ('SCHEDULED', 'Scheduled'), ('PROVISIONING', 'Being made ready'), ('ACTIVE', 'Active'), ('RELEASING', 'Being cleaned'), ('RELEASE_FAILED', 'Not proven clean'), ('RELEASED', 'Over and proven clean'), ('REJECTED', 'Rejected by the site'), ('CANCELLED', 'Cancelled')], editable=False, max_length=16)),
                ('starts_at', models.DateTimeField()),
                ('ends_at', models.DateTimeField()),
                ('preparation_s', models.PositiveIntegerField()),
                ('cleanup_s', models.PositiveIntegerField()),
                ('wish', models.JSONField(blank=True, help_text='What was asked for, when any device of a kind would do.', null=True)),
                ('parameters', models.JSONField(blank=True, default=dict)),
                ('epoch', models.BigIntegerField(blank=True, editable=False, null=True)),
                ('revision', models.PositiveIntegerField(default=0, editable=False)),
                ('next_action_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('deadline_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('attempts', models.PositiveSmallIntegerField(default=0, editable=False)),
                ('prepared_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('opened_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('isolated_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('access', reservations.encrypted.EncryptedTextField(blank=True, default='', editable=False)),
                ('trouble', models.TextField(blank=True, default='', editable=False)),
                ('artefacts', models.ManyToManyField(blank=True, to='reservations.artefact')),
                ('resource', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='leases', to='resources.resource')),
            ],
            options={
                'ordering': ['starts_at'],
            },
        ),
        migrations.CreateModel(
            name='LeaseEvent',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('at', models.DateTimeField()),
                ('source', models.CharField(blank=True, max_length=16)),
                ('to', models.CharField(choices=[('REQUESTED', "Asked, waiting for the site's approval"), ('SCHEDULED', 'Scheduled'), ('PROVISIONING', 'Being made ready'), ('ACTIVE', 'Active'), ('RELEASING', 'Being cleaned'), ('RELEASE_FAILED', 'Not proven clean'), ('RELEASED', 'Over and proven clean'), ('REJECTED', 'Rejected by the site'), ('CANCELLED', 'Cancelled')], max_length=16)),
                ('reason', models.TextField(blank=True)),
                ('actor', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('lease', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='events', to='reservations.lease')),
            ],
            options={
                'ordering': ['id'],
            },
        ),
        migrations.CreateModel(
            name='Reservation',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('purpose', models.CharField(blank=True, max_length=200)),
                ('starts_at', models.DateTimeField()),
                ('ends_at', models.DateTimeField()),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('version', models.PositiveIntegerField(default=1, help_text='Counts its changes, for pages that watch it.')),
                ('holder', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='reservations', to=settings.AUTH_USER_MODEL)),
                ('project', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='reservations', to='accounts.project')),
            ],
            options={
                'ordering': ['-starts_at'],
            },
        ),
        migrations.AddField(
            model_name='lease',
            name='reservation',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='leases', to='reservations.reservation'),
        ),
        migrations.CreateModel(
            name='IdempotencyKey',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('key', models.CharField(max_length=255)),
                ('body_sha256', models.CharField(max_length=64)),
                ('status', models.PositiveSmallIntegerField(null=True)),
                ('response', models.JSONField(null=True)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('user', 'key'), name='key_once_per_user')],
            },
        ),
        migrations.CreateModel(
            name='CalendarEntry',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(max_length=40)),
                ('occupies', django.contrib.postgres.fields.ranges.DateTimeRangeField()),
                ('exclusive', models.BooleanField()),
                ('holding', models.BooleanField()),
                ('on_device', models.BooleanField(default=False)),
                ('maintenance', models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='calendar_entries', to='resources.maintenancewindow')),
                ('resource', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='calendar_entries', to='resources.resource')),
                ('lease', models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='calendar_entries', to='reservations.lease')),
            ],
            options={
                'indexes': [django.contrib.postgres.indexes.GistIndex(condition=models.Q(('holding', True)), fields=['kind', 'occupies'], name='entry_by_kind')],
                'constraints': [django.contrib.postgres.constraints.ExclusionConstraint(condition=models.Q(('exclusive', True), ('holding', True)), expressions=[('resource', '='), ('occupies', '&&')], name='no_double_booking'), models.UniqueConstraint(condition=models.Q(('exclusive', True), ('on_device', True)), fields=('resource',), name='one_lease_on_a_device'), models.CheckConstraint(condition=models.Q(models.Q(('lease__isnull', False), ('maintenance__isnull', True)), models.Q(('lease__isnull', True), ('maintenance__isnull', False)), _connector='OR'), name='entry_is_of_a_lease_or_of_maintenance')],
            },
        ),
        migrations.CreateModel(
            name='OutgoingMail',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('dedupe_key', models.CharField(max_length=200, unique=True)),
                ('subject', models.CharField(max_length=200)),
                ('body', models.TextField()),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('sent_at', models.DateTimeField(blank=True, null=True)),
                ('attempts', models.PositiveSmallIntegerField(default=0)),
                ('next_try_at', models.DateTimeField(auto_now_add=True)),
                ('to', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'indexes': [models.Index(condition=models.Q(('sent_at__isnull', True)), fields=['next_try_at'], name='mail_unsent')],
            },
        ),
        migrations.CreateModel(
            name='OutgoingOrder',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('verb', models.CharField(max_length=10)),
                ('revision', models.PositiveIntegerField(default=0)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('sent_at', models.DateTimeField(blank=True, null=True)),
                ('lease', models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='orders', to='reservations.lease')),
                ('site', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='orders', to='resources.site')),
            ],
            options={
                'indexes': [models.Index(condition=models.Q(('sent_at__isnull', True)), fields=['id'], name='order_unsent')],
            },
        ),
        migrations.CreateModel(
            name='Proof',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('epoch', models.BigIntegerField()),
                ('is_clean', models.BooleanField()),
                ('checks', models.JSONField()),
                ('verified_at', models.DateTimeField()),
                ('verifier', models.CharField(max_length=200)),
                ('digest', models.CharField(max_length=64)),
                ('received_at', models.DateTimeField(auto_now_add=True)),
                ('lease', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='proofs', to='reservations.lease')),
                ('resource', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='proofs', to='resources.resource')),
            ],
            options={
                'ordering': ['-verified_at'],
                'constraints': [models.UniqueConstraint(fields=('lease', 'digest'), name='proof_once')],
            },
        ),
        migrations.AddIndex(
            model_name='reservation',
            index=models.Index(fields=['holder', '-starts_at'], name='reservation_by_holder'),
        ),
        migrations.AddIndex(
            model_name='reservation',
            index=models.Index(fields=['project', 'ends_at'], name='reservation_by_project'),
        ),
        migrations.AddConstraint(
            model_name='reservation',
            constraint=models.CheckConstraint(condition=models.Q(('ends_at__gt', models.F('starts_at'))), name='reservation_ends_after_it_starts'),
        ),
        migrations.AddIndex(
            model_name='lease',
            index=models.Index(condition=models.Q(('next_action_at__isnull', False)), fields=['next_action_at'], name='lease_by_next_action'),
        ),
        migrations.AddIndex(
            model_name='lease',
            index=models.Index(fields=['resource', '-starts_at'], name='lease_by_resource'),
        ),
        migrations.AddConstraint(
            model_name='lease',
            constraint=models.CheckConstraint(condition=models.Q(('ends_at__gt', models.F('starts_at'))), name='lease_ends_after_it_starts'),
        ),
        migrations.AddConstraint(
            model_name='lease',
            constraint=models.CheckConstraint(condition=models.Q(('status__in', ['CANCELLED', 'REJECTED', 'RELEASED']), ('next_action_at__isnull', False), _connector='OR'), name='lease_cannot_hang'),
        ),
        migrations.AddConstraint(
            model_name='lease',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('status__in', ['ACTIVE', 'PROVISIONING', 'RELEASE_FAILED', 'RELEASING']), _negated=True), ('epoch__isnull', False), _connector='OR'), name='lease_on_device_has_an_epoch'),
        ),
    ]
