from django.db import migrations

from workflows.core.migrating import grant

KEEP = "budgets.budget.keep_budget"
CONNECT = "budgets.budget.connect_budget"
VIEW = [
    "budgets.budget.view_budget",
    "budgets.snapshot.view_snapshot",
    "budgets.suggestion.view_suggestion",
]
RIGHTS = {"bookkeeper": [KEEP, CONNECT], "manager": [KEEP, CONNECT, *VIEW]}


class Migration(migrations.Migration):
    dependencies = [("budgets", "0001_initial"), ("workflows", "0003_roles")]
    operations = [grant(RIGHTS)]
