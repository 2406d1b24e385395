"""Keep which resources a resource takes with it: itself and all its parts."""

from django.db import migrations

FORWARD = """
CREATE FUNCTION shary_cover_resource() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        RAISE EXCEPTION 'A resource cannot become a part of another whole: take it out of service and enter it anew.'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'resource_stays_where_it_is';
    END IF;
    INSERT INTO resources_cover (whole_id, part_id, depth)
        SELECT NEW.id, NEW.id, 0
        UNION ALL
        SELECT whole_id, NEW.id, depth + 1 FROM resources_cover WHERE part_id = NEW.parent_id;
    RETURN NULL;
END $$;

CREATE TRIGGER cover_new_resource AFTER INSERT ON resources_resource
    FOR EACH ROW EXECUTE FUNCTION shary_cover_resource();
CREATE TRIGGER keep_resource_in_place AFTER UPDATE ON resources_resource
    FOR EACH ROW WHEN (OLD.parent_id IS DISTINCT FROM NEW.parent_id OR OLD.site_id <> NEW.site_id)
    EXECUTE FUNCTION shary_cover_resource();
"""

BACKWARD = """
DROP TRIGGER keep_resource_in_place ON resources_resource;
DROP TRIGGER cover_new_resource ON resources_resource;
DROP FUNCTION shary_cover_resource();
"""


class Migration(migrations.Migration):
    dependencies = [("resources", "0001_initial")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
