"""Reading an HTTP API's routes from a processed template."""

from infra.local.routes import Names, Route, routes_of

NAMES = Names({"AWS::Region": "us-east-1", "Stage": "local"}, {"Function": "arn:function"})
URI = "arn:aws:apigateway:${AWS::Region}:lambda:path/functions/${Function.Arn}/invocations"


def test_references_are_resolved() -> None:
    template = {
        "a": {"Ref": "Stage"},
        "b": [{"Fn::GetAtt": ["Function", "Arn"]}, {"Fn::GetAtt": "Function.Arn"}],
        "c": {"Fn::Sub": URI},
        "d": {"Fn::Sub": ["${Own}-${Stage}", {"Own": {"Ref": "Stage"}}]},
        "e": 1,
    }

    assert NAMES.resolve(template) == {
        "a": "local",
        "b": ["arn:function", "arn:function"],
        "c": "arn:aws:apigateway:us-east-1:lambda:path/functions/arn:function/invocations",
        "d": "local-local",
        "e": 1,
    }


def test_routes_are_read_with_their_authorizer() -> None:
    integration = {"x-amazon-apigateway-integration": {"uri": "arn:function"}}
    body = {
        "paths": {
            "/health": {"get": {**integration, "security": [{"NONE": []}]}},
            "/agent/{agentId}": {"put": {**integration, "security": [{"ApiKey": []}]}},
        }
    }

    assert list(routes_of(body)) == [
        Route("GET /health", "arn:function", None),
        Route("PUT /agent/{agentId}", "arn:function", "ApiKey"),
    ]
