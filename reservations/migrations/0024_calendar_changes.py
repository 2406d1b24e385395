"""Count the changes of the calendar, for boards that watch it.

A sequence, since nobody waits for it: a row that every booking had to update would put them in a queue.
"""

from django.db import migrations

FORWARD = """
CREATE SEQUENCE shary_calendar_changes;

CREATE FUNCTION shary_calendar_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM nextval('shary_calendar_changes');
    RETURN NULL;
END $$;

CREATE TRIGGER calendar_changed AFTER INSERT OR UPDATE OR DELETE ON reservations_calendarentry
    FOR EACH STATEMENT EXECUTE FUNCTION shary_calendar_changed();
CREATE TRIGGER calendar_changed AFTER UPDATE OF status ON reservations_lease
    FOR EACH STATEMENT EXECUTE FUNCTION shary_calendar_changed();
CREATE TRIGGER calendar_changed AFTER INSERT OR DELETE ON resources_resource
    FOR EACH STATEMENT EXECUTE FUNCTION shary_calendar_changed();
-- Observations come every few seconds; only what the board shows of a resource counts.
CREATE TRIGGER calendar_changed_by_resource AFTER UPDATE ON resources_resource FOR EACH ROW
    WHEN ((OLD.name, OLD.site_id, OLD.parent_id, OLD.kind, OLD.model, OLD.in_service, OLD.health, OLD.quarantined_at)
          IS DISTINCT FROM
          (NEW.name, NEW.site_id, NEW.parent_id, NEW.kind, NEW.model, NEW.in_service, NEW.health, NEW.quarantined_at))
    EXECUTE FUNCTION shary_calendar_changed();
"""

BACKWARD = """
DROP TRIGGER calendar_changed_by_resource ON resources_resource;
DROP TRIGGER calendar_changed ON resources_resource;
DROP TRIGGER calendar_changed ON reservations_lease;
DROP TRIGGER calendar_changed ON reservations_calendarentry;
DROP FUNCTION shary_calendar_changed();
DROP SEQUENCE shary_calendar_changes;
"""


class Migration(migrations.Migration):
    dependencies = [("reservations", "0023_messages"), ("resources", "0005_cables")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
