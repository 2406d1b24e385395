"""Keep the calendar: the entries of each lease and each maintenance window follow it."""

from django.db import migrations

FORWARD = """
CREATE FUNCTION shary_taken_with(target uuid) RETURNS TABLE (resource_id uuid, exclusive boolean)
LANGUAGE sql STABLE AS $$
    SELECT part_id, true FROM resources_cover WHERE whole_id = target
    UNION ALL
    SELECT whole_id, false FROM resources_cover WHERE part_id = target AND whole_id <> target
$$;

CREATE FUNCTION shary_is_holding(status text) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT status NOT IN ('REJECTED', 'CANCELLED', 'RELEASED')
$$;

CREATE FUNCTION shary_is_on_device(status text) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT status IN ('PROVISIONING', 'ACTIVE', 'RELEASING', 'RELEASE_FAILED')
$$;

CREATE FUNCTION shary_occupies(starts timestamptz, ends timestamptz, preparation int, cleanup int)
RETURNS tstzrange LANGUAGE sql STABLE AS $$
    SELECT tstzrange(starts - preparation * interval '1 second', ends + cleanup * interval '1 second')
$$;

-- One statement per booking. ON CONFLICT makes a loser of a race wait for the winner and then
-- see that it lost, where a plain insert can deadlock.
CREATE FUNCTION shary_enter_leases() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    missing bigint;
BEGIN
    WITH wanted AS (
        SELECT t.resource_id, r.kind, f.id AS lease_id, t.exclusive,
               shary_occupies(f.starts_at, f.ends_at, f.preparation_s, f.cleanup_s) AS occupies,
               shary_is_holding(f.status) AS holding, shary_is_on_device(f.status) AS on_device
        FROM fresh f CROSS JOIN LATERAL shary_taken_with(f.resource_id) t
        JOIN resources_resource r ON r.id = t.resource_id
        ORDER BY t.resource_id
    ), entered AS (
        INSERT INTO reservations_calendarentry
            (resource_id, kind, lease_id, occupies, exclusive, holding, on_device)
        SELECT resource_id, kind, lease_id, occupies, exclusive, holding, on_device FROM wanted
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

CREATE TRIGGER enter_leases AFTER INSERT ON reservations_lease
    REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION shary_enter_leases();

CREATE FUNCTION shary_follow_lease() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    occupied tstzrange := shary_occupies(NEW.starts_at, NEW.ends_at, NEW.preparation_s, NEW.cleanup_s);
BEGIN
    IF NEW.resource_id <> OLD.resource_id THEN
        DELETE FROM reservations_calendarentry WHERE lease_id = NEW.id;
        INSERT INTO reservations_calendarentry
            (resource_id, kind, lease_id, occupies, exclusive, holding, on_device)
        SELECT t.resource_id, r.kind, NEW.id, occupied, t.exclusive,
               shary_is_holding(NEW.status), shary_is_on_device(NEW.status)
        FROM shary_taken_with(NEW.resource_id) t JOIN resources_resource r ON r.id = t.resource_id;
    ELSE
        UPDATE reservations_calendarentry
        SET occupies = occupied, holding = shary_is_holding(NEW.status),
            on_device = shary_is_on_device(NEW.status)
        WHERE lease_id = NEW.id;
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER follow_lease AFTER UPDATE ON reservations_lease
    FOR EACH ROW WHEN (
        OLD.resource_id <> NEW.resource_id OR OLD.starts_at <> NEW.starts_at OR OLD.ends_at <> NEW.ends_at
        OR OLD.preparation_s <> NEW.preparation_s OR OLD.cleanup_s <> NEW.cleanup_s
        OR shary_is_holding(OLD.status) <> shary_is_holding(NEW.status)
        OR shary_is_on_device(OLD.status) <> shary_is_on_device(NEW.status)
    ) EXECUTE FUNCTION shary_follow_lease();

CREATE FUNCTION shary_follow_maintenance() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM reservations_calendarentry WHERE maintenance_id = NEW.id;
    INSERT INTO reservations_calendarentry
        (resource_id, kind, maintenance_id, occupies, exclusive, holding, on_device)
    SELECT t.resource_id, r.kind, NEW.id, tstzrange(NEW.starts_at, NEW.ends_at), t.exclusive, true, false
    FROM shary_taken_with(NEW.resource_id) t JOIN resources_resource r ON r.id = t.resource_id
    ORDER BY t.resource_id;
    RETURN NULL;
END $$;

CREATE TRIGGER follow_maintenance AFTER INSERT OR UPDATE ON resources_maintenancewindow
    FOR EACH ROW EXECUTE FUNCTION shary_follow_maintenance();

-- A part that is entered later is taken by whoever has its whole. The name sorts after
-- cover_new_resource, and triggers of one moment run in the order of their names.
CREATE FUNCTION shary_take_new_part() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO reservations_calendarentry
        (resource_id, kind, lease_id, maintenance_id, occupies, exclusive, holding, on_device)
    SELECT NEW.id, NEW.kind, e.lease_id, e.maintenance_id, e.occupies, true, e.holding, e.on_device
    FROM reservations_calendarentry e
    WHERE e.resource_id = NEW.parent_id AND e.exclusive AND e.holding;
    RETURN NULL;
END $$;

CREATE TRIGGER take_new_part AFTER INSERT ON resources_resource
    FOR EACH ROW WHEN (NEW.parent_id IS NOT NULL) EXECUTE FUNCTION shary_take_new_part();
"""

BACKWARD = """
DROP TRIGGER take_new_part ON resources_resource;
DROP TRIGGER follow_maintenance ON resources_maintenancewindow;
DROP TRIGGER follow_lease ON reservations_lease;
DROP TRIGGER enter_leases ON reservations_lease;
DROP FUNCTION shary_take_new_part(), shary_follow_maintenance(), shary_follow_lease(), shary_enter_leases(),
    shary_occupies(timestamptz, timestamptz, int, int), shary_is_on_device(text), shary_is_holding(text),
    shary_taken_with(uuid);
"""


class Migration(migrations.Migration):
    dependencies = [("reservations", "0001_initial"), ("resources", "0002_covers")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
