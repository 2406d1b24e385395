"""Count the changes of a reservation, for pages that watch it."""

from django.db import migrations

FORWARD = """
CREATE FUNCTION shary_count_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE reservations_reservation SET version = version + 1
    WHERE id IN (
        SELECT n.reservation_id FROM fresh n JOIN stale o ON o.id = n.id
        WHERE (n.status, n.starts_at, n.ends_at, n.resource_id, n.trouble, n.access)
              IS DISTINCT FROM (o.status, o.starts_at, o.ends_at, o.resource_id, o.trouble, o.access)
           OR (n.prepared_at, n.opened_at, n.isolated_at)
              IS DISTINCT FROM (o.prepared_at, o.opened_at, o.isolated_at)
    );
    RETURN NULL;
END $$;

CREATE TRIGGER count_change AFTER UPDATE ON reservations_lease
    REFERENCING NEW TABLE AS fresh OLD TABLE AS stale FOR EACH STATEMENT EXECUTE FUNCTION shary_count_change();
"""

BACKWARD = """
DROP TRIGGER count_change ON reservations_lease;
DROP FUNCTION shary_count_change();
"""


class Migration(migrations.Migration):
    dependencies = [("reservations", "0003_lease_moves")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
