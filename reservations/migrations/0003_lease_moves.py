"""Refuse illegal moves of a lease, and moves that leave no event; count epochs."""

from django.db import migrations

FORWARD = """
CREATE SEQUENCE shary_epoch;

CREATE FUNCTION shary_guard_lease() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.status NOT IN ('REQUESTED', 'SCHEDULED') THEN
            RAISE EXCEPTION 'A lease cannot begin as %.', NEW.status
                USING ERRCODE = 'check_violation', CONSTRAINT = 'lease_moves_legally';
        END IF;
    ELSIF (OLD.status, NEW.status) NOT IN (
        ('REQUESTED', 'SCHEDULED'), ('REQUESTED', 'REJECTED'), ('REQUESTED', 'CANCELLED'),
        ('SCHEDULED', 'PROVISIONING'), ('SCHEDULED', 'CANCELLED'),
        ('PROVISIONING', 'ACTIVE'), ('PROVISIONING', 'RELEASING'),
        ('ACTIVE', 'RELEASING'),
        ('RELEASING', 'RELEASED'), ('RELEASING', 'RELEASE_FAILED'),
        ('RELEASE_FAILED', 'RELEASING'), ('RELEASE_FAILED', 'RELEASED')
    ) THEN
        RAISE EXCEPTION 'A lease cannot move from % to %.', OLD.status, NEW.status
            USING ERRCODE = 'check_violation', CONSTRAINT = 'lease_moves_legally';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER guard_new_lease BEFORE INSERT ON reservations_lease
    FOR EACH ROW EXECUTE FUNCTION shary_guard_lease();
CREATE TRIGGER guard_lease_move BEFORE UPDATE ON reservations_lease
    FOR EACH ROW WHEN (OLD.status <> NEW.status) EXECUTE FUNCTION shary_guard_lease();

-- The transaction that wrote the event. A savepoint has an id of its own in xmin, so that cannot serve.
ALTER TABLE reservations_leaseevent ADD COLUMN written_in xid8 NOT NULL DEFAULT pg_current_xact_id();

CREATE FUNCTION shary_demand_event() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (
        SELECT 1 FROM reservations_leaseevent
        WHERE lease_id = NEW.id AND "to" = NEW.status AND written_in = pg_current_xact_id()
          AND source = CASE TG_OP WHEN 'INSERT' THEN '' ELSE OLD.status END
    ) THEN
        RAISE EXCEPTION 'Lease % moved to % without an event.', NEW.id, NEW.status
            USING ERRCODE = 'check_violation', CONSTRAINT = 'lease_move_leaves_an_event';
    END IF;
    RETURN NULL;
END $$;

CREATE CONSTRAINT TRIGGER new_lease_leaves_an_event AFTER INSERT ON reservations_lease
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION shary_demand_event();
CREATE CONSTRAINT TRIGGER lease_move_leaves_an_event AFTER UPDATE ON reservations_lease
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (OLD.status <> NEW.status)
    EXECUTE FUNCTION shary_demand_event();

CREATE FUNCTION shary_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'Rows of % are evidence: they are neither changed nor deleted.', TG_TABLE_NAME
        USING ERRCODE = 'check_violation', CONSTRAINT = 'evidence_stays';
END $$;

CREATE TRIGGER events_stay BEFORE UPDATE OR DELETE ON reservations_leaseevent
    FOR EACH ROW EXECUTE FUNCTION shary_refuse_change();
CREATE TRIGGER proofs_stay BEFORE UPDATE OR DELETE ON reservations_proof
    FOR EACH ROW EXECUTE FUNCTION shary_refuse_change();
"""

BACKWARD = """
DROP TRIGGER proofs_stay ON reservations_proof;
DROP TRIGGER events_stay ON reservations_leaseevent;
DROP TRIGGER lease_move_leaves_an_event ON reservations_lease;
DROP TRIGGER new_lease_leaves_an_event ON reservations_lease;
DROP TRIGGER guard_lease_move ON reservations_lease;
DROP TRIGGER guard_new_lease ON reservations_lease;
DROP FUNCTION shary_refuse_change(), shary_demand_event(), shary_guard_lease();
ALTER TABLE reservations_leaseevent DROP COLUMN written_in;
DROP SEQUENCE shary_epoch;
"""


class Migration(migrations.Migration):
    dependencies = [("reservations", "0002_calendar")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
