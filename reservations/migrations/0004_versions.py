"""Count the changes of a reservation, for pages that watch it."""

from django.db import migrations

FORWARD = """
CREATE FUNCTION shary_count_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE reservations_reservation SET version = version + 1
    WHERE id IN (SELECT reservation_id FROM fresh);
    RETURN NULL;
END $$;

CREATE TRIGGER count_change AFTER UPDATE ON reservations_lease
    REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION shary_count_change();
"""

BACKWARD = """
DROP TRIGGER count_change ON reservations_lease;
DROP FUNCTION shary_count_change();
"""


class Migration(migrations.Migration):
    dependencies = [("reservations", "0003_lease_moves")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
