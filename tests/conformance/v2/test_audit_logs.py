import csv
import gzip
import io
import time

import pytest
import requests
import wire
from calling import refused
from confidentai.common.types import AuditLogExport, AuditLogExportStatus

PATIENCE_S = 30


def wait_for(organization, id):
    """The export once it is no longer in progress."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        export = organization.get_audit_log_export(id)
        if export.status is not AuditLogExportStatus.IN_PROGRESS:
            return export
        time.sleep(0.05)
    pytest.fail("the export must come to its end")


def download(server, key, id):
    """The file's lines, each by its head line's names."""
    answer = requests.get(
        f"{server.url}/v2/organization/audit-logs/exports/{id}/download",
        headers={"CONFIDENT_API_KEY": key},
        timeout=10,
    )
    assert answer.status_code == 200, answer.text
    return list(csv.DictReader(io.StringIO(gzip.decompress(answer.content).decode())))


def test_an_export_of_everything_is_answered_field_for_field_and_comes_to_its_end(first, server):
    begun = first.organization.create_audit_log_export()
    assert type(begun) is AuditLogExport
    assert begun.status in (AuditLogExportStatus.IN_PROGRESS, AuditLogExportStatus.COMPLETED)
    assert begun.export_type == "AUDIT_LOGS"
    assert begun.organization_id == first.client.whoami().id
    assert begun.project_id is None
    assert begun.error_message is None
    wire.time(begun.created_at)
    done = wait_for(first.organization, begun.id)
    assert done.status is AuditLogExportStatus.COMPLETED
    assert done.row_count >= 2
    wire.time(done.completed_at)
    rows = download(server, server.first_key, done.id)
    assert len(rows) == done.row_count
    assert {"organization.created", "api_key.created"} <= {row["action"] for row in rows}


def test_an_export_is_narrowed_by_a_term_and_a_period(first, server):
    export = first.organization.create_audit_log_export(
        start_time="2020-01-01T00:00:00.000Z", end_time="2999-01-01T00:00:00.000Z", search_term="api_key.created"
    )
    done = wait_for(first.organization, export.id)
    assert (done.start_time, done.end_time) == ("2020-01-01T00:00:00.000Z", "2999-01-01T00:00:00.000Z")
    rows = download(server, server.first_key, done.id)
    assert {row["action"] for row in rows} == {"api_key.created"}


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"search_term": "nobody ever did this"}, "No events match; there is nothing to export."),
        ({"start_time": "2020-01-01T00:00:00Z"}, 'The fields "startTime" and "endTime" go together.'),
        (
            {"start_time": "2020-01-02T00:00:00Z", "end_time": "2020-01-01T00:00:00Z"},
            'The field "endTime" must lie after "startTime".',
        ),
    ],
)
def test_an_export_that_cannot_be_is_refused_with_a_sentence(first, asked, sentence):
    assert refused(first.organization.create_audit_log_export, **asked) == sentence


def test_an_export_that_is_not_there_is_not_found(first):
    sentence = "There is no such export in this organization."
    assert refused(first.organization.get_audit_log_export, "exp_00000000000000000000000000000000") == sentence
