"""The nouns of what: sites, resources and their parts, maintenance."""

import accounts.models
import datetime
import django.core.validators
import django.db.models.deletion
import uuid
from django.conf import settings
from django.db import migrations, models
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Coalesce


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('accounts', '0001_initial'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Operatorship',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='operatorships', to=settings.AUTH_USER_MODEL)),
            ],
        ),
        migrations.CreateModel(
            name='Site',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('longest_lease', models.DurationField(blank=True, help_text='No lease may be longer, for example “2 00:00:00” for two days.', null=True)),
                ('look_ahead', models.DurationField(blank=True, help_text='No lease may start later than this from now.', null=True)),
                ('most_open_reservations', models.PositiveIntegerField(blank=True, help_text='How many unfinished reservations a project may have.', null=True, validators=[django.core.validators.MinValueValidator(1)])),
                ('most_hours', models.PositiveIntegerField(blank=True, help_text='How many device-hours a project may have booked and not yet used up.', null=True, validators=[django.core.validators.MinValueValidator(1)])),
                ('slug', models.SlugField(help_text='Its queue is called site.<slug>; never change it.', unique=True)),
                ('name', models.CharField(max_length=200)),
                ('time_zone', models.CharField(default='UTC', max_length=64, validators=[accounts.models.validate_time_zone])),
                ('contact_email', models.EmailField(blank=True, max_length=254)),
                ('latitude', models.FloatField(blank=True, null=True, validators=[django.core.validators.MinValueValidator(-90), django.core.validators.MaxValueValidator(90)])),
                ('longitude', models.FloatField(blank=True, null=True, validators=[django.core.validators.MinValueValidator(-180), django.core.validators.MaxValueValidator(180)])),
                ('approval', models.CharField(choices=[('automatic', 'Automatic'), ('operator', 'By an operator')], default='automatic', max_length=16)),
                ('start_grace', models.DurationField(default=datetime.timedelta(seconds=600), help_text='How long after its start a lease may still become ready before it is given up.')),
                ('public_key', models.CharField(blank=True, help_text="The site worker's public key, as it prints it.", max_length=64)),
                ('last_heard_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('operators', models.ManyToManyField(related_name='operated_sites', through='resources.Operatorship', to=settings.AUTH_USER_MODEL)),
                ('organisation', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='sites', to='accounts.organisation')),
            ],
            options={
                'ordering': ['name'],
            },
        ),
        migrations.CreateModel(
            name='Resource',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('name', models.CharField(help_text='For people: “L40S 3”.', max_length=100)),
                ('kind', models.CharField(max_length=40)),
                ('adapter', models.CharField(max_length=60)),
                ('attributes', models.JSONField(blank=True, default=dict)),
                ('model', models.GeneratedField(db_persist=True, expression=Coalesce(KeyTextTransform('model', 'attributes'), models.Value(''), output_field=models.TextField()), output_field=models.TextField())),
                ('settings', models.JSONField(blank=True, default=dict, help_text='How the site reaches it, over those of the whole. Names of secrets, never secrets.')),
                ('preparation_s', models.PositiveIntegerField(default=60, help_text='Seconds kept free before each lease to make the device ready.')),
                ('cleanup_s', models.PositiveIntegerField(default=60, help_text='Seconds kept free after each lease to clean the device and prove it.')),
                ('in_service', models.BooleanField(default=True, help_text='Only devices in service can be booked.')),
                ('quarantined_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('quarantine_reason', models.TextField(blank=True, editable=False)),
                ('health', models.CharField(choices=[('unknown', 'Not yet seen'), ('healthy', 'Healthy'), ('unhealthy', 'Unhealthy')], default='unknown', editable=False, max_length=12)),
                ('health_detail', models.TextField(blank=True, editable=False)),
                ('observed_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('measurements', models.JSONField(blank=True, default=dict, editable=False)),
                ('parent', models.ForeignKey(blank=True, help_text='The device that this is a part of. Taking the whole takes its parts.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='parts', to='resources.resource')),
                ('site', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='resources', to='resources.site')),
            ],
            options={
                'ordering': ['site', 'name'],
            },
        ),
        migrations.AddField(
            model_name='operatorship',
            name='site',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='operatorships', to='resources.site'),
        ),
        migrations.CreateModel(
            name='MaintenanceWindow',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('starts_at', models.DateTimeField()),
                ('ends_at', models.DateTimeField()),
                ('reason', models.CharField(blank=True, max_length=200)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('created_by', models.ForeignKey(blank=True, editable=False, null=True, on_delete=django.db.models.deletion.SET_NULL, to=settings.AUTH_USER_MODEL)),
                ('resource', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='maintenance_windows', to='resources.resource')),
            ],
            options={
                'ordering': ['starts_at'],
                'constraints': [models.CheckConstraint(condition=models.Q(('ends_at__gt', models.F('starts_at'))), name='maintenance_ends_after_it_starts')],
            },
        ),
        migrations.CreateModel(
            name='Cover',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('depth', models.PositiveSmallIntegerField()),
                ('part', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='covered_by', to='resources.resource')),
                ('whole', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='covers', to='resources.resource')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('whole', 'part'), name='cover_once')],
            },
        ),
        migrations.AddIndex(
            model_name='resource',
            index=models.Index(fields=['kind', 'model'], name='resource_by_kind_and_model'),
        ),
        migrations.AddConstraint(
            model_name='resource',
            constraint=models.UniqueConstraint(fields=('site', 'name'), name='resource_name_once_per_site'),
        ),
        migrations.AddConstraint(
            model_name='resource',
            constraint=models.CheckConstraint(condition=models.Q(('parent', models.F('id')), _negated=True), name='resource_is_no_part_of_itself'),
        ),
        migrations.AddConstraint(
            model_name='operatorship',
            constraint=models.UniqueConstraint(fields=('site', 'user'), name='operator_once_per_site'),
        ),
    ]
