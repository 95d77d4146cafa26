module smart-licensing/foreign

go 1.19
