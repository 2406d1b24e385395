"""Note for the tick that something came free, while somebody waits."""

from django.db import migrations

FORWARD = """
CREATE FUNCTION shary_note_freed_time() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO reservations_freedtime (at, kind)
    SELECT statement_timestamp(), OLD.kind
    WHERE EXISTS (SELECT FROM reservations_waitingwish WHERE state IN ('waiting', 'offered'));
    RETURN NULL;
END $$;

-- Rows only ever come, so that bookings that end at the same moment do not wait for each other.
CREATE TRIGGER note_freed_time AFTER DELETE ON reservations_calendarentry
    FOR EACH ROW WHEN (OLD.holding AND OLD.exclusive) EXECUTE FUNCTION shary_note_freed_time();

CREATE TRIGGER note_shortened_time AFTER UPDATE ON reservations_calendarentry
    FOR EACH ROW WHEN (OLD.holding AND OLD.exclusive AND (NOT NEW.holding OR NOT NEW.occupies @> OLD.occupies))
    EXECUTE FUNCTION shary_note_freed_time();
"""

BACKWARD = """
DROP TRIGGER note_shortened_time ON reservations_calendarentry;
DROP TRIGGER note_freed_time ON reservations_calendarentry;
DROP FUNCTION shary_note_freed_time();
"""


class Migration(migrations.Migration):
    dependencies = [("reservations", "0025_wait_list")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
