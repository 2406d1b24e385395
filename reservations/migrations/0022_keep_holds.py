"""Keep the calendar's entries of holds; maintenance takes precedence over them."""

from django.db import migrations

FORWARD = """
-- As for leases: ON CONFLICT makes a loser of a race wait for the winner and then see that it lost.
CREATE FUNCTION shary_enter_holds() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    missing bigint;
BEGIN
    WITH wanted AS (
        SELECT t.resource_id, r.kind, f.hold_id, t.exclusive,
               shary_occupies(h.starts_at, h.ends_at, f.preparation_s, f.cleanup_s) AS occupies
        FROM fresh f JOIN reservations_hold h ON h.id = f.hold_id AND h.over_at IS NULL
        CROSS JOIN LATERAL shary_taken_with(f.resource_id) t
        JOIN resources_resource r ON r.id = t.resource_id
        ORDER BY t.resource_id
    ), entered AS (
        INSERT INTO reservations_calendarentry
            (resource_id, kind, hold_id, occupies, exclusive, holding, on_device)
        SELECT resource_id, kind, hold_id, occupies, exclusive, true, false FROM wanted
        ON CONFLICT DO NOTHING
        RETURNING 1
    )
    SELECT (SELECT count(*) FROM wanted) - (SELECT count(*) FROM entered) INTO missing;
    IF missing > 0 THEN
        RAISE EXCEPTION 'The resource is already booked in this window.'
            USING ERRCODE = 'exclusion_violation', CONSTRAINT = 'no_double_booking',
                  TABLE = 'reservations_calendarentry';
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER enter_holds AFTER INSERT ON reservations_heldresource
    REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION shary_enter_holds();

CREATE FUNCTION shary_end_hold() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM reservations_calendarentry WHERE hold_id = NEW.id;
    RETURN NULL;
END $$;

CREATE TRIGGER end_hold AFTER UPDATE ON reservations_hold
    FOR EACH ROW WHEN (OLD.over_at IS NULL AND NEW.over_at IS NOT NULL) EXECUTE FUNCTION shary_end_hold();

-- What is out of order cannot be held: nobody has booked it yet.
CREATE OR REPLACE FUNCTION shary_follow_maintenance() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM reservations_calendarentry WHERE maintenance_id = NEW.id;
    UPDATE reservations_hold
    SET over_at = greatest(created_at, least(expires_at, statement_timestamp())), outcome = 'displaced'
    WHERE over_at IS NULL AND id IN (
        SELECT e.hold_id FROM reservations_calendarentry e
        JOIN shary_taken_with(NEW.resource_id) t ON t.resource_id = e.resource_id
        WHERE e.hold_id IS NOT NULL AND e.exclusive AND t.exclusive
          AND e.occupies && tstzrange(NEW.starts_at, NEW.ends_at)
    );
    INSERT INTO reservations_calendarentry
        (resource_id, kind, maintenance_id, occupies, exclusive, holding, on_device)
    SELECT t.resource_id, r.kind, NEW.id, tstzrange(NEW.starts_at, NEW.ends_at), t.exclusive, true, false
    FROM shary_taken_with(NEW.resource_id) t JOIN resources_resource r ON r.id = t.resource_id
    ORDER BY t.resource_id;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION shary_take_new_part() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO reservations_calendarentry
        (resource_id, kind, lease_id, maintenance_id, hold_id, occupies, exclusive, holding, on_device)
    SELECT NEW.id, NEW.kind, e.lease_id, e.maintenance_id, e.hold_id, e.occupies, true, e.holding, e.on_device
    FROM reservations_calendarentry e
    WHERE e.resource_id = NEW.parent_id AND e.exclusive AND e.holding;
    RETURN NULL;
END $$;
"""

BACKWARD = """
DELETE FROM reservations_calendarentry WHERE hold_id IS NOT NULL;
SET CONSTRAINTS ALL IMMEDIATE;
DROP TRIGGER end_hold ON reservations_hold;
DROP TRIGGER enter_holds ON reservations_heldresource;
DROP FUNCTION shary_end_hold(), shary_enter_holds();

CREATE OR REPLACE FUNCTION shary_follow_maintenance() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM reservations_calendarentry WHERE maintenance_id = NEW.id;
    INSERT INTO reservations_calendarentry
        (resource_id, kind, maintenance_id, occupies, exclusive, holding, on_device)
    SELECT t.resource_id, r.kind, NEW.id, tstzrange(NEW.starts_at, NEW.ends_at), t.exclusive, true, false
    FROM shary_taken_with(NEW.resource_id) t JOIN resources_resource r ON r.id = t.resource_id
    ORDER BY t.resource_id;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION shary_take_new_part() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO reservations_calendarentry
        (resource_id, kind, lease_id, maintenance_id, occupies, exclusive, holding, on_device)
    SELECT NEW.id, NEW.kind, e.lease_id, e.maintenance_id, e.occupies, true, e.holding, e.on_device
    FROM reservations_calendarentry e
    WHERE e.resource_id = NEW.parent_id AND e.exclusive AND e.holding;
    RETURN NULL;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("reservations", "0021_holds")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
