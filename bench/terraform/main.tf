# The same relationship as the program's default, as one would write it for Terraform: for comparison in `make bench` only.

terraform {
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.100"
    }
  }
}

variable "trusting_account_id" {
  type = string
}

variable "trusted_account_id" {
  type = string
}

variable "endpoint" {
  description = "The AWS emulator, which takes an account's id for the key of its root."
  type        = string
}

variable "description" {
  description = "Of the role; another one is the change that is timed."
  type        = string
  default     = null
}

provider "aws" {
  alias                       = "trusting"
  region                      = "us-east-1"
  access_key                  = var.trusting_account_id
  secret_key                  = "any"
  allowed_account_ids         = [var.trusting_account_id]
  skip_metadata_api_check     = true
  skip_region_validation      = true
  skip_credentials_validation = true

  endpoints {
    iam = var.endpoint
    sts = var.endpoint
  }
}

provider "aws" {
  alias                       = "trusted"
  region                      = "us-east-1"
  access_key                  = var.trusted_account_id
  secret_key                  = "any"
  allowed_account_ids         = [var.trusted_account_id]
  skip_metadata_api_check     = true
  skip_region_validation      = true
  skip_credentials_validation = true

  endpoints {
    iam = var.endpoint
    sts = var.endpoint
  }
}

# The trusting account: role, policy, attachment.

resource "aws_iam_role" "role" {
  provider    = aws.trusting
  name        = "Assume-Role-1"
  description = var.description
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { AWS = "arn:aws:iam::${var.trusted_account_id}:root" }
      Action    = "sts:AssumeRole"
    }]
  })
}

resource "aws_iam_policy" "role" {
  provider = aws.trusting
  name     = "Custom-Policy-For-Role-1"
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "s3:*", Resource = "*" }]
  })
}

resource "aws_iam_role_policy_attachment" "role" {
  provider   = aws.trusting
  role       = aws_iam_role.role.name
  policy_arn = aws_iam_policy.role.arn
}

# The trusted account: user, policy, attachment, access key.

resource "aws_iam_user" "user" {
  provider = aws.trusted
  name     = "user-1"
}

resource "aws_iam_policy" "user" {
  provider = aws.trusted
  name     = "Custom-Assume-Role-Policy"
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Resource = aws_iam_role.role.arn }]
  })
}

resource "aws_iam_user_policy_attachment" "user" {
  provider   = aws.trusted
  user       = aws_iam_user.user.name
  policy_arn = aws_iam_policy.user.arn
}

resource "aws_iam_access_key" "key" {
  provider = aws.trusted
  user     = aws_iam_user.user.name
}

output "role_arn" {
  value = aws_iam_role.role.arn
}

output "access_key_id" {
  value = aws_iam_access_key.key.id
}

output "secret_access_key" {
  value     = aws_iam_access_key.key.secret
  sensitive = true
}
