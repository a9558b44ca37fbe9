"""What templates may rely on: icons, chips, Markdown, times, fields, links."""

import html
import re
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import pytest
from django import forms
from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.template import Context, Template
from django.template.loader import get_template, render_to_string
from django.test import RequestFactory
from django.utils import timezone

from workflows.templatetags.handrail import (
    CHIPS,
    UnknownIcon,
    ago,
    clock,
    duration,
    icon,
    markdown,
    markdown_inline,
)

TEMPLATES = Path(settings.BASE_DIR) / "templates"
ICONS = Path(settings.BASE_DIR) / "static" / "img" / "icons"


def rendered(source, **context):
    return Template(source).render(Context(context))


# --- icons ----------------------------------------------------------------------------
def test_icon_is_inlined_as_decoration():
    markup = icon("check", "large")
    assert markup.startswith('<svg class="icon large" aria-hidden="true"')
    assert markup.endswith("</svg>")


def test_unknown_icon_is_a_mistake():
    with pytest.raises(UnknownIcon):
        icon("no-such-icon")


def test_icon_escapes_its_class():
    assert '"><script>' not in icon("check", '"><script>')


def test_every_icon_that_is_named_exists_and_every_icon_is_plain_markup():
    named = {name for _tone, name, _word in CHIPS.values()}
    for template in TEMPLATES.rglob("*.html"):
        source = template.read_text()
        named |= set(re.findall(r'\{% icon "([a-z0-9-]+)"', source))
        named |= set(re.findall(r'_icon="([a-z0-9-]+)"', source))
        named |= set(re.findall(r'\w+_icon\|default:"([a-z0-9-]+)"', source))
        named |= set(re.findall(r'\{% nav_link "\S+" \S+ "([a-z0-9-]+)"', source))
    present = {path.stem for path in ICONS.glob("*.svg")}
    assert named - present == set()
    for path in ICONS.glob("*.svg"):
        assert not re.search(r"<script|<style|style=|\bon\w+=|href", path.read_text())


# --- chips ----------------------------------------------------------------------------
def test_chip_has_an_icon_and_a_word():
    markup = rendered('{% chip "escalated" %}')
    assert "tone-warning" in markup
    assert "<svg" in markup
    assert "Escalated" in markup


def test_chip_takes_the_callers_word():
    assert "By Egon" in rendered('{% chip "claimed" "By Egon" %}')


def test_chip_of_an_unknown_state_is_neutral_and_escaped():
    markup = rendered("{% chip value %}", value="<b>odd</b>")
    assert "tone-neutral" in markup
    assert "&lt;b&gt;odd" in markup


# --- Markdown -------------------------------------------------------------------------
ATTACKS = [
    "<script>alert(1)</script>",
    "<SCRIPT SRC=//x.example/x.js></SCRIPT>",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    "<a href='javascript:alert(1)'>x</a>",
    "<iframe src=//x.example></iframe>",
    "<style>*{display:none}</style>",
    "<p style='position:fixed'>x</p>",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x]( javascript:alert(1))",
    "[x](\tjavascript:alert(1))",
    "[x](java\nscript:alert(1))",
    "[x](javascript&colon;alert(1))",
    "[x](javascript&#58;alert(1))",
    "[x](&#106;avascript:alert(1))",
    "[x](&#x6A;avascript:alert(1))",
    "[x](%6Aavascript:alert(1))",
    "[x](<javascript:alert(1)>)",
    "[x](vbscript:msgbox(1))",
    "[x](data:text/html,<script>alert(1)</script>)",
    "[x](data:text/html;base64,PHNjcmlwdD4=)",
    "[x](file:///etc/passwd)",
    "[x](//x.example/)",
    "[x](/logout/)",
    "[x](#main)",
    "[x][ref]\n\n[ref]: javascript:alert(1)",
    "<javascript:alert(1)>",
    "![x](javascript:alert(1))",
    "![x](https://x.example/pixel.png)",
    "[![x](https://x.example/p.png)](javascript:alert(1))",
    '[x](https://x.example "onmouseover=alert(1)")',
    '[x](https://x.example/"onmouseover="alert(1))',
    "[x](https://x.example/' onclick='alert(1))",
    "[a [b](https://x.example) c](javascript:alert(1))",
    "[x](https://x.example/<script>)",
    "`<script>alert(1)</script>`",
    "```html\n<script>alert(1)</script>\n```",
    '```"><script>alert(1)</script>\nx\n```',
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "<!-- --><script>alert(1)</script>",
    "<![CDATA[<script>alert(1)</script>]]>",
    "<?php echo 1 ?>",
    "\x00<script>alert(1)</script>",
    "*<img src=x onerror=alert(1)>*",
    "| <script> |\n|---|\n| x |",
    "# <script>alert(1)</script>",
    "- <script>alert(1)</script>",
    "> <script>alert(1)</script>",
]
ALLOWED = {
    "p": set(),
    "br": set(),
    "strong": set(),
    "em": set(),
    "ul": set(),
    "ol": {"start"},
    "li": set(),
    "blockquote": set(),
    "pre": set(),
    "code": {"class"},
    "hr": set(),
    "a": {"href", "rel", "target", "title"},
}


class Audit(HTMLParser):
    """Reads markup as a browser does and fails on whatever was not foreseen."""

    def handle_starttag(self, tag, attrs):
        assert tag in ALLOWED, tag
        assert {name for name, _value in attrs} <= ALLOWED[tag], attrs
        if tag == "a":
            given = dict(attrs)
            assert re.match(r"(https?|mailto|tel):", given["href"]), given["href"]
            assert given["rel"] == "noopener noreferrer"

    def handle_comment(self, data):
        raise AssertionError(data)

    handle_decl = handle_pi = unknown_decl = handle_comment


@pytest.mark.parametrize("render", [markdown, markdown_inline])
@pytest.mark.parametrize("text", ATTACKS)
def test_markdown_lets_no_markup_through(text, render):
    Audit(convert_charrefs=True).feed(render(text))


@pytest.mark.parametrize(
    "link", ["https://x.example/a?b=1&c=2", "http://x.example", "HTTPS://X.EXAMPLE"]
)
def test_markdown_opens_web_links_beside_the_walk(link):
    markup = markdown(f"[page]({link})")
    assert f'href="{html.escape(link)}"' in markup
    assert 'rel="noopener noreferrer"' in markup
    assert 'target="_blank"' in markup


@pytest.mark.parametrize("link", ["mailto:help@example.com", "tel:+4930123"])
def test_markdown_keeps_links_that_leave_the_page_in_place(link):
    markup = markdown(f"[call]({link})")
    assert f'href="{link}"' in markup
    assert "target" not in markup


def test_markdown_shows_what_people_type():
    assert markdown("**Stop** here\nand *wait*") == (
        "<p><strong>Stop</strong> here<br />\nand <em>wait</em></p>\n"
    )
    assert "<li>one</li>" in markdown("- one\n- two")
    assert markdown("a < b && c > d") == "<p>a &lt; b &amp;&amp; c &gt; d</p>\n"


def test_markdown_leaves_headings_to_the_page():
    assert markdown("# Before you start") == (
        "<p><strong>Before you start</strong></p>\n"
    )


def test_markdown_inline_makes_no_paragraph():
    assert markdown_inline("Is **the light** on?") == (
        "Is <strong>the light</strong> on?"
    )


@pytest.mark.parametrize("nothing", [None, ""])
def test_markdown_of_nothing(nothing):
    assert markdown(nothing) == ""
    assert markdown_inline(nothing) == ""


def test_markdown_survives_deep_nesting():
    Audit(convert_charrefs=True).feed(markdown("> " * 500 + "[" * 500 + "x"))


# --- times ----------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("passed", "words"),
    [
        (timedelta(seconds=0), "just now"),
        (timedelta(seconds=59), "just now"),
        (timedelta(seconds=-30), "just now"),
        (timedelta(minutes=3, seconds=20), "3 min ago"),
        (timedelta(minutes=59), "59 min ago"),
        (timedelta(hours=5), "5 h ago"),
        (timedelta(hours=25), "1 day ago"),
        (timedelta(days=12), "12 days ago"),
    ],
)
def test_ago_says_it_as_people_do(passed, words):
    assert f">{words}</time>" in ago(timezone.now() - passed)


def test_ago_gives_a_date_for_what_is_far_away():
    assert ">3 Feb 2021</time>" in ago(datetime(2021, 2, 3, 4, 5, tzinfo=UTC))
    assert re.search(
        r">\d+ \w+ \d{4}, \d\d:\d\d</time>", ago(timezone.now() + timedelta(hours=2))
    )


def test_ago_keeps_the_exact_moment():
    with timezone.override("Europe/Berlin"):
        markup = ago(datetime(2026, 7, 1, 22, 30, tzinfo=UTC))
    assert 'datetime="2026-07-01T22:30:00+00:00"' in markup
    assert 'title="2 Jul 2026, 00:30 CEST"' in markup


def test_ago_of_nothing():
    assert ago(None) == ""


@pytest.mark.parametrize(
    ("length", "words"),
    [
        (0, "0 s"),
        (42, "42 s"),
        (42.9, "42 s"),
        (190, "3 min 10 s"),
        (180, "3 min"),
        (7500, "2 h 5 min"),
        (7205, "2 h"),
        (3 * 86400, "3 d"),
        (3 * 86400 + 3 * 3600 + 59, "3 d 3 h"),
        (timedelta(minutes=3, seconds=10), "3 min 10 s"),
        (-5, "0 s"),
        (None, ""),
    ],
)
def test_duration(length, words):
    assert duration(length) == words


@pytest.mark.parametrize(
    ("length", "shown"),
    [
        (0, "0:00"),
        (187, "3:07"),
        (3723, "1:02:03"),
        (timedelta(seconds=61), "1:01"),
        (None, "0:00"),
        (-9, "0:00"),
    ],
)
def test_clock(length, shown):
    assert clock(length) == shown


def test_timer_counts_from_a_moment():
    since = timezone.now() - timedelta(minutes=2, seconds=1)
    markup = rendered("{% timer since %}", since=since)
    assert f'data-timer-since="{since.isoformat(timespec="seconds")}"' in markup
    assert re.search(r">2:0\d</span>", markup)


# --- forms ----------------------------------------------------------------------------
class Sample(forms.Form):
    title = forms.CharField(help_text="One line.")
    note = forms.CharField(widget=forms.Textarea, required=False)
    kind = forms.ChoiceField(
        choices=[("a", "First"), ("b", "Second")],
        widget=forms.RadioSelect,
        help_text="Choose one.",
    )
    tried = forms.MultipleChoiceField(
        choices=[("x", "Restart")], widget=forms.CheckboxSelectMultiple, required=False
    )
    agreed = forms.BooleanField()
    evidence = forms.FileField(help_text="PNG.")
    token = forms.CharField(widget=forms.HiddenInput)


def field_of(name, data=None, arguments=""):
    form = Sample(data)
    return rendered("{% field bound " + arguments + " %}", bound=form[name])


def test_field_ties_label_hint_error_and_control_together():
    markup = field_of("title", {})
    assert '<label for="id_title">Title</label>' in markup
    assert 'id="id_title_helptext">One line.' in markup
    assert 'id="id_title_error"' in markup
    assert 'aria-describedby="id_title_helptext id_title_error"' in markup
    assert 'aria-invalid="true"' in markup


def test_field_without_fault_names_no_error():
    markup = field_of("title")
    assert 'aria-describedby="id_title_helptext"' in markup
    assert "error" not in markup
    assert "aria-invalid" not in markup


def test_field_says_what_is_optional():
    assert "(optional)" in field_of("note")
    assert "(optional)" not in field_of("title")
    assert "(optional)" not in field_of("note", arguments="optional=False")


def test_field_takes_words_and_attributes_from_the_template():
    markup = field_of(
        "note",
        arguments='label="Note" hint="For engineers." css="wide" data_key="n" rows=2',
    )
    assert ">Note <span" in markup
    assert 'id="id_note_helptext">For engineers.' in markup
    assert 'aria-describedby="id_note_helptext"' in markup
    assert 'data-key="n"' in markup
    assert 'rows="2"' in markup
    assert 'class="field wide"' in markup


def test_field_keeps_what_was_typed_escaped():
    assert "&lt;b&gt;typed&lt;/b&gt;" in field_of("note", {"note": "<b>typed</b>"})


@pytest.mark.parametrize("name", ["kind", "tried"])
def test_field_groups_choices_under_their_question(name):
    markup = field_of(name)
    assert "<fieldset" in markup
    assert f"<legend>{name.title()}" in markup
    assert f'<label for="id_{name}_0">' in markup


def test_field_describes_the_group_and_not_each_choice():
    markup = field_of("kind", {})
    assert markup.count("aria-describedby") == 1
    assert (
        '<fieldset class="field has-error" aria-describedby="id_kind_helptext' in markup
    )


def test_field_puts_a_checkbox_before_its_label():
    markup = field_of("agreed")
    assert markup.index('type="checkbox"') < markup.index("<label")


def test_field_describes_a_file():
    assert 'aria-describedby="id_evidence_helptext"' in field_of("evidence")


def test_hidden_field_is_only_its_control():
    assert field_of("token").strip() == (
        '<input type="hidden" name="token" id="id_token">'
    )


def test_form_lists_its_faults_with_links_to_controls():
    form = Sample({"token": "x"})
    form.add_error(None, "These do not belong together.")
    markup = render_to_string("includes/_form.html", {"form": form})
    assert 'role="alert"' in markup
    assert "These do not belong together." in markup
    for target in ("id_title", "id_kind_0", "id_agreed", "id_evidence"):
        assert f'<a href="#{target}">' in markup
        assert f'id="{target}"' in markup


def test_form_names_the_fault_of_a_hidden_field_without_link():
    markup = render_to_string("includes/_form.html", {"form": Sample({})})
    assert 'href="#id_token"' not in markup
    assert "This field is required." in markup


def test_form_without_fault_has_no_summary():
    assert "error-summary" not in render_to_string(
        "includes/_form.html", {"form": Sample()}
    )


# --- addresses ------------------------------------------------------------------------
def link(view_name, arguments='"home" "Home" "home"'):
    request = SimpleNamespace(resolver_match=SimpleNamespace(view_name=view_name))
    return rendered("{% nav_link " + arguments + " %}", request=request)


def test_nav_link_marks_the_page_itself():
    assert 'aria-current="page"' in link("home")


def test_nav_link_marks_the_part_one_is_in():
    markup = link("profile", '"home" "Home" "home" match="account prof"')
    assert 'aria-current="true"' in markup


def test_nav_link_elsewhere_is_only_a_link():
    assert "aria-current" not in link("profile")
    assert "aria-current" not in rendered('{% nav_link "home" "Home" "home" %}')


def test_nav_link_shows_a_number_that_waits():
    assert '<span class="badge">3</span>' in link(
        "home", '"home" "Home" "home" badge=3'
    )
    assert "badge" not in link("home", '"home" "Home" "home" badge=0')


def test_nav_link_to_what_is_not_installed_is_left_out():
    assert link("home", '"no:such" "No" "home"').strip() == ""


@pytest.mark.parametrize(
    ("query", "changes", "expected"),
    [
        ("status=open&page=1", "page=2", "?status=open&amp;page=2"),
        ("status=open&page=1", "page=None", "?status=open"),
        ("status=open", 'status=""', "?"),
        ("tag=a&tag=b", "page=2", "?tag=a&amp;tag=b&amp;page=2"),
        ("q=a%22%3Cb", "page=2", "?q=a%22%3Cb&amp;page=2"),
    ],
)
def test_query_with_changes_what_is_asked(query, changes, expected):
    request = RequestFactory().get(f"/?{query}")
    assert rendered("{% query_with " + changes + " %}", request=request) == expected


# --- pages of errors ------------------------------------------------------------------
def test_server_error_needs_nothing():
    markup = get_template("500.html").render()
    assert "Something went wrong" in markup
    assert "<h1>" in markup


@pytest.mark.parametrize("status", [400, 403, 404, 409, 429])
def test_errors_are_explained_to_strangers(status):
    request = RequestFactory().get("/")
    request.user = AnonymousUser()
    context = {"text": "", "user": request.user}
    markup = render_to_string(f"{status}.html", context, request)
    assert "What to do" in markup
    assert "site-nav" not in markup
    said = render_to_string(
        f"{status}.html", {**context, "text": "Egon <won>."}, request
    )
    assert "Egon &lt;won&gt;." in said
