from django.db import migrations

from workflows.core.migrating import grant, taking_along

RUN = "workflows.workflowsession.run_support"
KEEP = "workflows.host.manage_host"
VIEW = [
    "workflows.artifact.view_artifact",
    "workflows.host.view_host",
    "workflows.jiraattachmentstate.view_jiraattachmentstate",
    "workflows.jiraconnection.end_jiraconnection",
    "workflows.jiraconnection.view_jiraconnection",
    "workflows.sosreportstate.view_sosreportstate",
    "workflows.workflowsession.view_workflowsession",
]
RIGHTS = {
    "technician": [RUN],
    "engineer": [RUN, KEEP],
    "manager": [RUN, KEEP, *VIEW],
}


class Migration(migrations.Migration):
    dependencies = [("workflows", "0004_support")]
    operations = [
        grant(RIGHTS),
        taking_along("workflows_sosreportstate", "session_id"),
        taking_along("workflows_jiraattachmentstate", "session_id"),
        taking_along("workflows_artifact", "session_id"),
    ]
