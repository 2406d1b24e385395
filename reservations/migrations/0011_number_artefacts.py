"""Number the files of one name in the order in which they came."""

from django.db import migrations

FORWARD = """
UPDATE reservations_artefact SET version = numbered.version
FROM (
    SELECT id, row_number() OVER (
        PARTITION BY project_id, adapter, name, filename ORDER BY created_at, id
    ) AS version
    FROM reservations_artefact
) AS numbered
WHERE numbered.id = reservations_artefact.id;
"""


class Migration(migrations.Migration):
    dependencies = [("reservations", "0010_artefact_versions")]
    operations = [migrations.RunSQL(FORWARD, migrations.RunSQL.noop)]
