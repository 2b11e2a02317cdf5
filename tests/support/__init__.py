"""What tests share: values made by hand."""
