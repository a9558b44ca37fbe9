"""What was told in secret, looked for in every place that the product writes to.

``searching`` knows the forms in which a secret can be written, ``places`` what there is
to look through, ``product`` runs the product and keeps all that it answers.
"""
