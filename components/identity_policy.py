"""AWS's rules on the permission policy of a role: what is no identity policy, and what allows everything."""

import json
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self, TypeAlias, cast

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic.alias_generators import to_pascal

from .aws_rules import like
from .iam.documents import items, matches, size, statements
from .iam.limits import MAX_POLICY_CHARACTERS
from .validation import key_path, whole

# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
OPERATOR = (
    r"(?i)(ForAllValues:|ForAnyValue:)?(String(Not)?(Equals|EqualsIgnoreCase|Like)|Bool|BinaryEquals|(Not)?IpAddress"
    r"|Arn(Not)?(Equals|Like)|(Numeric|Date)(Equals|NotEquals|LessThan|LessThanEquals|GreaterThan|GreaterThanEquals)"
    r")(IfExists)?|(ForAllValues:|ForAnyValue:)?Null"
)
ACTION = re.compile(r"\*+|(\*|[A-Za-z0-9-]+):[A-Za-z0-9*?]+")
ALL_OF_IAM = re.compile(r"\*+|(iam|\*):\*+", re.IGNORECASE)
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
VARIABLE = re.compile(r"\$\{(?:[*?$]|(?!(?:cf|env|file|self|opt|param|var|sls):)[\w.-]+:[^:}\s][^}]*)\}")
TEMPLATE = re.compile(r"<[^<>]+>|\{\{.*?\}\}|\$\{[^}]*\}")  # where no variable is
# AWS's own policies have arn:aws:organizations::*: without a last part.
RESOURCE = re.compile(
    r"\*+|arn:[^:]+:[^:]+:[a-z0-9*?-]*:([0-9]{12}|[a-z-]*|[^:]*[*?][^:]*):(.+|(?<=:organizations::\*:))"
)


def _value(value: object) -> object:
    if not isinstance(value, str | bool | int | float):
        raise ValueError("this is neither a text nor a number nor a boolean")
    if isinstance(value, str) and (left := TEMPLATE.search(VARIABLE.sub("", value))):
        raise ValueError(f"{left[0]!r} is what a template left, and no policy variable")
    return value


def _action(text: str) -> str:
    if not ACTION.fullmatch(text):
        raise ValueError(f"{text!r} is not service:Name")
    return text


def _resource(text: str) -> str:
    if not RESOURCE.fullmatch(VARIABLE.sub("*", text)):
        raise ValueError(f"{text!r} is neither * nor an ARN with a region and an account as AWS writes them")
    return text


def _statements(value: object) -> list[object]:
    statements = items(value)
    ids = [cast("dict[str, object]", each).get("Sid") for each in statements if isinstance(each, dict)]
    if repeated := next((sid for sid in ids if sid and ids.count(sid) > 1), None):  # an empty one is none
        raise ValueError(f"the Sid {repeated!r} stands twice")
    return statements


Value: TypeAlias = Annotated[Any, AfterValidator(_value)]
OneOrMore = (Field(min_length=1), BeforeValidator(items))
Actions: TypeAlias = Annotated[list[Annotated[str, AfterValidator(_action)]], *OneOrMore]
Resources: TypeAlias = Annotated[list[Annotated[str, AfterValidator(_value), AfterValidator(_resource)]], *OneOrMore]
Operator: TypeAlias = Annotated[str, like(OPERATOR, "IAM has no such operator")]
Key: TypeAlias = Annotated[str, Field(min_length=1), AfterValidator(_value)]
Values: TypeAlias = Annotated[list[Value], *OneOrMore]


class Element(BaseModel):
    """What a policy document is made of, by AWS's names."""

    model_config = ConfigDict(alias_generator=to_pascal, extra="forbid", strict=True, defer_build=True)


class Statement(Element):
    """One statement: a trust policy's and a resource policy's alone name a principal."""

    sid: Annotated[str, like("[A-Za-z0-9]*", "a Sid has letters and digits only")] = ""
    effect: Literal["Allow", "Deny"]
    action: Actions = Field(default=[])
    not_action: Actions = Field(default=[])
    resource: Resources = Field(default=[])
    not_resource: Resources = Field(default=[])
    condition: dict[Operator, Annotated[dict[Key, Values], Field(min_length=1)]] = Field(default={})

    @model_validator(mode="after")
    def _one_of_each(self) -> Self:
        for one, other in (("action", "not_action"), ("resource", "not_resource")):
            if len({one, other} & self.model_fields_set) != 1:
                raise ValueError(f"a statement has either {to_pascal(one)} or {to_pascal(other)}")
        return self


class Policy(Element):
    """A whole document."""

    version: Literal["2012-10-17"]
    id: str = ""
    statement: Annotated[list[Statement], Field(min_length=1), BeforeValidator(_statements)]


def identity_policy(source: object) -> dict[str, object]:
    """Return an identity policy document, with whole numbers as 7: AWS takes 7.0 for another text.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html

    Args:
        source: the document, or the content of a JSON file.

    Raises:
        ValueError: it is none, or longer than AWS takes.
    """
    try:
        if isinstance(source, bytes):
            source = json.loads(source.decode("utf-8-sig"), object_pairs_hook=_without_duplicates)
        text = json.dumps(source, allow_nan=False, ensure_ascii=False)
        text.encode()
        policy = whole(json.loads(text))
        Policy.model_validate(policy)
    except RecursionError:
        raise ValueError(
            "this policy is nested too deep. A statement holds lists of texts, and conditions two objects deep. "
            "Correct it there"
        ) from None
    except ValidationError as error:
        wrong = "; ".join(f"{key_path(each['loc']) or 'it'}: {each['msg']}" for each in error.errors())
        wrong = wrong.replace("Value error, ", "")
        raise ValueError(f"this is not an IAM identity policy: {wrong}. Correct it in the policy's JSON") from None
    except (TypeError, ValueError) as error:
        raise ValueError(f"this policy is not JSON: {error}. Correct it there") from None
    document = cast("dict[str, object]", policy)
    if (characters := size(document)) > MAX_POLICY_CHARACTERS:
        raise ValueError(
            f"a managed policy has at most {MAX_POLICY_CHARACTERS:,} characters without white space, "
            f"this has {characters:,}. Shorten it, for example with wildcards"
        )
    return document


def _without_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    document = dict(pairs)
    if len(document) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {twice!r} stands twice in one object")
    return document


def arns_elsewhere(policy: Mapping[str, object], partition: str) -> list[str]:
    """Return the ARNs of a policy that no resource of a partition has.

    AWS refuses such resources. A condition with several ARNs may be meant for more than one partition; where none of
    them is of this one, it is never met, or always.
    """
    found: list[str] = []
    for statement in statements(policy):
        found += _elsewhere(statement.get("Resource", statement.get("NotResource")), partition)
        for tests in statement.get("Condition", {}).values():
            for values in tests.values():
                other = _elsewhere(values, partition)
                found += other if len(other) == len(items(values)) else []
    return found


def _elsewhere(values: object, partition: str) -> list[str]:
    arns = ((text, re.match(r"arn:([^:]+):", str(text))) for text in items(values))
    return [str(text) for text, arn in arns if arn and not matches(arn[1], partition)]


def allows_everything(policy: Mapping[str, object]) -> bool:
    """Return whether a statement allows all of IAM, which can give itself the rest, everywhere and unconditionally.

    ``NotAction`` allows all but a few actions, which is meant seldom and counts as everything.
    """
    return any(
        statement.get("Effect") == "Allow"
        and not statement.get("Condition")
        and ("NotAction" in statement or any(ALL_OF_IAM.fullmatch(str(each)) for each in items(statement["Action"])))
        and ("NotResource" in statement or any(not str(each).strip("*") for each in items(statement["Resource"])))
        for statement in statements(policy)
    )
