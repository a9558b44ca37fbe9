from django.db import migrations

from workflows.core.migrating import grant

MANAGER = [
    "workflows.account.change_account",
    "workflows.move.view_move",
    "workflows.user.add_user",
    "workflows.user.change_user",
    "workflows.user.view_user",
]


class Migration(migrations.Migration):
    dependencies = [
        ("workflows", "0002_moves_append_only"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]
    operations = [grant({"technician": [], "engineer": [], "manager": MANAGER})]
