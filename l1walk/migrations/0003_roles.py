from django.db import migrations

from workflows.core.migrating import grant

VIEW = [
    "l1walk.flow.view_flow",
    "l1walk.flowversion.view_flowversion",
    "l1walk.l1walksession.view_l1walksession",
    "l1walk.ticket.view_ticket",
]
WRITE = ["l1walk.flow.edit_flow", "l1walk.flow.publish_flow"]
WORK = ["l1walk.ticket.work_ticket"]
WALK = ["l1walk.l1walksession.walk_ticket"]
RIGHTS = {
    "technician": [*WALK, *WORK],
    "engineer": [*WALK, *WORK, *WRITE, "l1walk.l1walksession.take_escalation"],
    "manager": [
        *VIEW,
        *WORK,
        *WRITE,
        "l1walk.l1walksession.reassign_escalation",
        "l1walk.l1walksession.view_reports",
    ],
}


class Migration(migrations.Migration):
    dependencies = [
        ("l1walk", "0002_versions_immutable"),
        ("workflows", "0003_roles"),
    ]
    operations = [grant(RIGHTS)]
