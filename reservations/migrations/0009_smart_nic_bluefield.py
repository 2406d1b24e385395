"""The adapter for BlueField cards is called what it drives: `smart_nic_bluefield`."""

from django.db import migrations

OLD, NEW = "smart_nic_redfish", "smart_nic_bluefield"
# Forms of the older adapter refuse what they do not know.
ADDED = (
    "without_image",
    "image",
    "image_user",
    "image_version",
    "image_minutes",
    "modes",
    "mode_changes",
    "mode_change_minutes",
    "host_bmc",
    "host_system",
    "host_username",
    "host_password_secret",
    "host_certificate_secret",
    "host_privilege_leased",
    "host_rshim_leased",
    "restart_minutes",
)


def _rename(apps, old, new):
    for app, model in (("resources", "Resource"), ("resources", "Discovery"), ("reservations", "Artefact")):
        apps.get_model(app, model).objects.filter(adapter=old).update(adapter=new)


def forwards(apps, schema_editor):
    # These cards were lent without a fresh image so far, and stay so until their operators choose.
    for card in apps.get_model("resources", "Resource").objects.filter(adapter=OLD, settings__has_key="bmc"):
        card.settings.setdefault("without_image", "accept")
        card.save(update_fields=["settings"])
    _rename(apps, OLD, NEW)


def backwards(apps, schema_editor):
    _rename(apps, NEW, OLD)
    for name in ("Resource", "Discovery"):
        for row in apps.get_model("resources", name).objects.filter(adapter=OLD):
            kept = {key: value for key, value in row.settings.items() if key not in ADDED}
            if kept != row.settings:
                row.settings = kept
                row.save(update_fields=["settings"])


class Migration(migrations.Migration):
    dependencies = [
        ("reservations", "0008_lease_use"),
        ("resources", "0004_discoveries"),
    ]

    operations = [migrations.RunPython(forwards, backwards)]
