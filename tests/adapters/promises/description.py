"""What crosses to the portal: values, forms, and no device code."""

import subprocess
import sys
from dataclasses import fields
from datetime import timedelta

import pytest

from adapters.contract import LeaseOrder
from adapters.contract.wire import from_json, to_json

VENDOR_LIBRARIES = ("pylxd", "grpc", "finsy", "sushy", "pynvml", "requests", "google.protobuf")


class DescriptionPromises:
    """What the portal can rely on without the device."""

    # --- what crosses to the portal -------------------------------------------------------------

    def test_what_the_verbs_give_survives_the_wire(self, adapter, target, order):
        for value in (adapter.provision(order), adapter.observe(target), adapter.release(order)):
            assert from_json(type(value), to_json(value)) == value
        assert from_json(LeaseOrder, to_json(order)) == order

    def test_the_description_fits_the_adapter(self, adapter, target, order):
        from adapters.registry import adapter_class

        description = adapter.description

        assert adapter_class(description.name) is type(adapter)
        assert target.adapter == description.name
        assert target.kind in description.kinds
        assert description.preparation > timedelta()
        assert description.cleanup > timedelta()
        assert description.check_parameters(order.parameters, order.artefacts) == ()
        assert description.check_attributes(target.attributes) == ()

    @pytest.mark.parametrize("part", ["settings", "attributes", "parameters"])
    def test_each_form_has_a_schema_that_refuses_unknown_fields(self, adapter, part):
        schema = adapter.description.schema_of(part)

        assert to_json(schema)
        assert schema["type"] == "object"
        assert schema["additionalProperties"] is False

    def test_settings_that_work_give_no_problem(self, adapter, target):
        assert adapter.description.check_settings(target.settings) == ()

    def test_settings_that_are_junk_give_a_problem_for_each_field(self, adapter):
        names = {field.name for field in fields(adapter.description.settings)}
        junk = dict.fromkeys([*names, "no_such_field"], object())

        problems = adapter.description.check_settings(junk)

        assert {problem.field.split(".")[0] for problem in problems} == {*names, "no_such_field"}
        assert all(problem.message for problem in problems)

    def test_warnings_are_sentences_and_nonsense_is_no_reason_for_one(self, adapter, target, order):
        said = adapter.description.warn(target.settings, order.parameters)

        assert all(isinstance(words, str) and words.strip().endswith(".") for words in said)
        assert adapter.description.warn({}, {}) == ()
        assert adapter.description.warn({"no_such_field": 1}, {"no_such_field": 1}) == ()

    def test_what_one_lease_at_a_time_can_have_is_something_that_can_be_chosen(self, adapter):
        choices = adapter.description.schema_of("parameters").get("properties", {})

        assert set(adapter.description.exclusive) <= set(choices)

    def test_the_description_loads_no_device_library(self, adapter):
        module = f"adapters.{adapter.description.name}.settings"
        program = f"import sys, {module}; print(*(n for n in {VENDOR_LIBRARIES!r} if n in sys.modules))"

        loaded = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30
        )

        assert loaded.stdout.split() == []
